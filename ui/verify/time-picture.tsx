import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { formatClock, formatCount } from "../format.ts";

const MAX_BARS = 120;
const HEIGHT = 72;

/** Loss over time, by the end of requests: missing spans as bars, and requests as a row of boxes below. */
export function TimePicture({ seconds }: { readonly seconds: VerifyResult["seconds"] }) {
  const bars = groupSeconds(seconds);
  const [first, last] = [bars[0], bars.at(-1)];
  if (first === undefined || last === undefined) return null;
  const missing = seconds.reduce((sum, second) => sum + second.missing, 0);
  const [mostMissing, mostRequests] = [
    Math.max(1, ...bars.map((bar) => bar.missing)),
    Math.max(1, ...bars.map((bar) => bar.requests)),
  ];
  const perBar = (last.time - first.time) / 1000 / Math.max(1, bars.length - 1);
  const summary = missing === 0 ? "none" : `at most ${formatCount(mostMissing, "span")} in one bar`;
  return (
    <figure class="time-picture">
      <p class="hint">
        <span>
          <i class="class-key lost" />
          missing spans: {summary}
        </span>
        <span>
          <i class="class-key requests" />
          requests{perBar >= 1.5 ? `, ${Math.round(perBar)} s a bar` : ""}
        </span>
      </p>
      <svg
        viewBox={`0 0 ${bars.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Missing spans over time: ${summary}`}
      >
        {bars.map((bar, index) => (
          <g key={bar.time}>
            <title>{`${formatClock(bar.time)}: ${formatCount(bar.requests, "request")}, ${formatCount(bar.missing, "span")} missing`}</title>
            <rect class="hit" x={index} y="0" width="1" height={HEIGHT} />
            <rect
              class="requests"
              x={index + 0.08}
              width="0.84"
              y={HEIGHT - (bar.requests / mostRequests) * 22}
              height={(bar.requests / mostRequests) * 22}
            />
            {bar.missing > 0 && (
              <rect
                class="missing"
                x={index + 0.08}
                width="0.84"
                y={HEIGHT - 24 - Math.max(2, (bar.missing / mostMissing) * (HEIGHT - 26))}
                height={Math.max(2, (bar.missing / mostMissing) * (HEIGHT - 26))}
              />
            )}
          </g>
        ))}
      </svg>
      <figcaption>
        <span>{formatClock(first.time)}</span>
        <span>{formatClock(last.time)}</span>
      </figcaption>
    </figure>
  );
}

/** Groups seconds into bars. Seconds without requests are included. */
function groupSeconds(seconds: VerifyResult["seconds"]) {
  const [first, last] = [seconds[0], seconds.at(-1)];
  if (first === undefined || last === undefined) return [];
  const count = (last.time - first.time) / 1000 + 1;
  const perBar = Math.max(1, Math.ceil(count / MAX_BARS));
  const bars = Array.from({ length: Math.ceil(count / perBar) }, (_, index) => ({
    time: first.time + index * perBar * 1000,
    requests: 0,
    missing: 0,
  }));
  for (const { time, requests, missing } of seconds) {
    const bar = bars[Math.floor((time - first.time) / 1000 / perBar)];
    if (bar === undefined) continue;
    bar.requests += requests;
    bar.missing += missing;
  }
  return bars;
}
