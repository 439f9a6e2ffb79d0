import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { formatDuration } from "../format.ts";

/** Times from the end of a request until its trace was seen to be complete. */
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
      <ol aria-label="Traces by export latency">
        {buckets.map(({ upToMs, count }) => (
          <li key={upToMs}>
            <span>up to {ms(upToMs)}</span>
            <i style={{ width: count === 0 ? 0 : `max(2px, ${(count / most) * 100}%)` }} />
            <span>{count.toLocaleString("en")}</span>
          </li>
        ))}
      </ol>
      <figcaption>{summary}, from the end of the request.</figcaption>
    </figure>
  );
}
