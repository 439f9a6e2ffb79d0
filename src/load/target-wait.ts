import { newSpanId, newTraceId } from "../trace/ids.ts";

interface TargetWait {
  readonly url: string;
  readonly withinMs: number;
  readonly isTlsChecked: boolean;
  readonly signal: AbortSignal;
}

/** Statuses, also from links, that mean that a node does not yet know where to route a Service. */
const NOT_THERE_YET = new Set([502, 503, 504]);
const PAUSE_MS = 200;

/**
 * Requests the target until it and all its callees are reachable, or the time is over. These requests belong to no run, and
 * ask not to be recorded.
 */
export async function waitForTarget({ url, withinMs, isTlsChecked, signal }: TargetWait): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  const headers = { traceparent: `00-${newTraceId()}-${newSpanId()}-00` };
  const tls = { rejectUnauthorized: isTlsChecked };
  while (!limit.aborted) {
    const status = await fetch(url, { headers, tls, redirect: "manual", signal: limit }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => null,
    );
    if (status !== null && !NOT_THERE_YET.has(status)) return;
    await Bun.sleep(PAUSE_MS);
  }
}
