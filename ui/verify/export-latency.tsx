import type { VerifyResult } from "../../src/verify/result.ts";
import { formatCount, formatDuration } from "../format.ts";

/** From the end of a request until its trace was seen complete. */
export function ExportLatency({
  latency,
}: {
  readonly latency: NonNullable<VerifyResult["exportLatencyMs"]>;
}) {
  const { p50, p90, p99, buckets } = latency;
  const most = Math.max(1, ...buckets.map(({ count }) => count));
  const ms = (value: number) => formatDuration(value * 1000);
  const summary = `half within ${ms(p50)}, 90 % within ${ms(p90)}, 99 % within ${ms(p99)}`;
  return (
    <figure class="export-latency">
      <div class="columns" role="img" aria-label={`Export latency: ${summary}`}>
        {buckets.map(({ upToMs, count }) => (
          <span key={upToMs} title={formatCount(count, "trace")}>
            <i style={{ height: `${count === 0 ? 0 : Math.max(2, (count / most) * 100)}%` }} />
            <small>{ms(upToMs)}</small>
          </span>
        ))}
      </div>
      <figcaption>{summary}, from the end of the request.</figcaption>
    </figure>
  );
}
