import { newSpanId, newTraceId } from "../trace/ids.ts";

export interface TargetWait {
  readonly url: string;
  readonly withinMs: number;
  readonly isTlsChecked: boolean;
  readonly signal: AbortSignal;
}

/** What is answered, by links too, while a node does not know yet where a Service leads. */
const NOT_THERE_YET = new Set([502, 503, 504]);
const PAUSE_MS = 200;

/**
 * Asks the target until it is reached, and all that it calls, or the time is over. The requests belong to no run, and ask
 * not to be recorded.
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
