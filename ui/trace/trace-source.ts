import { useEffect, useState } from "preact/hooks";
import type { Span } from "../../src/trace/span.ts";
import { type Answer, readJson } from "../shell/request.ts";
import { modelTrace, type Trace } from "./trace-model.ts";

/** Reads a trace; `null` while it is on its way. Again when `attempt` changes. */
export function useTrace(traceId: string, attempt = 0): Answer<Trace> | null {
  const [answer, setAnswer] = useState<Answer<Trace> | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    setAnswer(null);
    void readTrace(traceId, controller.signal).then((read) => {
      if (!controller.signal.aborted) setAnswer(read);
    });
    return () => controller.abort();
  }, [traceId, attempt]);
  return answer;
}

async function readTrace(traceId: string, signal: AbortSignal): Promise<Answer<Trace>> {
  const answer = await readJson<Span[]>(`api/v2/trace/${encodeURIComponent(traceId)}`, signal);
  if (answer.kind === "ok") return { ...answer, value: modelTrace(answer.value) };
  if (answer.status !== 404) return answer;
  return {
    ...answer,
    text: `${answer.text}. It may still be on its way, or it was evicted to make room for newer ones.`,
  };
}
