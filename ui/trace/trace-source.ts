import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { TraceProof } from "../../src/contract/proof.ts";
import type { Span } from "../../src/trace/span.ts";
import { type Answer, readJson } from "../shell/request.ts";
import { isFromFile, traceFile } from "../traces/trace-file.ts";
import { modelTrace, type Trace } from "./trace-model.ts";

/** Reads a trace, again whenever `attempt` changes; `null` until it has arrived. */
export function useTrace(traceId: string, attempt = 0): Answer<Trace> | null {
  const [answer, setAnswer] = useState<Answer<Trace> | null>(null);
  // A normal effect would wait for the first frame.
  useLayoutEffect(() => {
    const controller = new AbortController();
    setAnswer(null);
    void readTrace(traceId, controller.signal).then((read) => {
      if (!controller.signal.aborted) setAnswer(read);
    });
    return () => controller.abort();
  }, [traceId, attempt]);
  return answer;
}

const ASK_AGAIN_MS = 2000;

/** The verdict on a trace by the ledger of its request, polled until it is final; `null` without a ledger. */
export function useProof(traceId: string): TraceProof | null {
  const [proof, setProof] = useState<TraceProof | null>(null);
  useEffect(() => {
    if (isFromFile(traceId)) return;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const query = new URLSearchParams({ trace: traceId });
      const answer = await readJson<TraceProof | null>(`page/proof?${query}`, controller.signal);
      if (controller.signal.aborted || answer.kind === "problem") return;
      setProof(answer.value);
      if (answer.value?.state === "waiting") timer = setTimeout(ask, ASK_AGAIN_MS);
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [traceId]);
  return proof;
}

async function readTrace(traceId: string, signal: AbortSignal): Promise<Answer<Trace>> {
  const opened = traceFile.peek()?.traces.get(traceId);
  if (opened !== undefined) return { kind: "ok", value: modelTrace(opened), bytes: 0 };
  const answer = await readJson<Span[]>(`api/v2/trace/${encodeURIComponent(traceId)}`, signal);
  if (answer.kind === "ok") return { ...answer, value: modelTrace(answer.value) };
  if (answer.status !== 404) return answer;
  return {
    ...answer,
    text: `${answer.text}. It may not have arrived yet, or it was evicted to make room for newer traces.`,
  };
}
