import type { DependencyLink } from "../../src/collector/dependency-links.ts";
import type { Period } from "../shell/period.tsx";
import { type Answer, readJson } from "../shell/request.ts";

/** Who called whom in a part of time, and how often: Zipkin's own query, so that any Zipkin answers it. */
export function readDependencies(
  { lookback, endTs }: Period,
  signal?: AbortSignal,
): Promise<Answer<readonly DependencyLink[]>> {
  const query = new URLSearchParams({ endTs: String(endTs ?? Date.now()), lookback: String(lookback) });
  return readJson(`api/v2/dependencies?${query}`, signal);
}
