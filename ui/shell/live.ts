import { signal } from "@preact/signals";
import type { LiveNumbers, LiveSecond } from "../../src/contract/live.ts";
import { edgeKey } from "./edge-key.ts";

/** Number of seconds that charts show. */
export const KEPT_SECONDS = 300;
/** Number of seconds that the numbers on the graph cover. With fewer they would change too fast to read. */
const RECENT_SECONDS = 2;

type LiveState = "connecting" | "open" | "lost";

/** The last seconds, oldest first. */
export const seconds = signal<readonly LiveSecond[]>([]);
export const liveState = signal<LiveState>("connecting");

/** Follows the collector's numbers while the page is open. The browser reconnects on its own. */
export function followLive(): void {
  const source = new EventSource("api/live");
  source.addEventListener("open", () => {
    liveState.value = "open";
  });
  source.addEventListener("error", () => {
    liveState.value = "lost";
  });
  source.addEventListener("history", (event) => {
    seconds.value = JSON.parse(event.data) as LiveSecond[];
  });
  source.addEventListener("second", (event) => {
    const second = JSON.parse(event.data) as LiveSecond;
    seconds.value = [...seconds.value.slice(1 - KEPT_SECONDS), second];
  });
  addEventListener("pagehide", () => source.close());
}

/** Numbers over some seconds, merged by {@link mergeNumbers}. Latencies are in microseconds. */
export interface Recent {
  readonly perSecond: number;
  /** From 0 to 1. */
  readonly errorShare: number;
  readonly p50: number;
  readonly p99: number;
}

/** The numbers of the last few seconds, by service and by {@link edgeKey}. */
export function recentNumbers(all: readonly LiveSecond[]): {
  readonly services: ReadonlyMap<string, Recent>;
  readonly edges: ReadonlyMap<string, Recent>;
} {
  const last = all.slice(-RECENT_SECONDS);
  const services = new Map<string, LiveNumbers[]>();
  const edges = new Map<string, LiveNumbers[]>();
  const add = (map: Map<string, LiveNumbers[]>, key: string, numbers: LiveNumbers) => {
    const list = map.get(key);
    if (list === undefined) map.set(key, [numbers]);
    else list.push(numbers);
  };
  for (const second of last) {
    for (const service of second.services) add(services, service.name, service);
    for (const edge of second.edges) add(edges, edgeKey(edge.from, edge.to), edge);
  }
  const merge = (map: Map<string, LiveNumbers[]>) =>
    new Map([...map].map(([key, list]) => [key, mergeNumbers(list, last.length)]));
  return { services: merge(services), edges: merge(edges) };
}

/**
 * Merges numbers. Quantiles cannot be added, so it takes the mean of the medians, weighted by requests, and
 * the highest 99th percentile.
 */
export function mergeNumbers(list: readonly LiveNumbers[], overSeconds: number): Recent {
  const requests = list.reduce((sum, one) => sum + one.requests, 0);
  const errors = list.reduce((sum, one) => sum + one.errors, 0);
  const mean = (of: (one: LiveNumbers) => number) =>
    list.reduce((sum, one) => sum + of(one) * one.requests, 0) / Math.max(requests, 1);
  return {
    perSecond: requests / Math.max(overSeconds, 1),
    errorShare: requests === 0 ? 0 : errors / requests,
    p50: mean((one) => one.p50),
    p99: Math.max(0, ...list.map((one) => one.p99)),
  };
}
