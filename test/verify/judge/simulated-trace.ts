import type { Random } from "../../../src/lib/random.ts";
import { addUnknown, type Ledger } from "../../../src/trace/ledger.ts";
import type { CallGraph, GraphCall } from "../../../src/verify/judge/call-graph.ts";
import { ledgerOf } from "../../../src/verify/judge/digest.ts";
import type { SeenSpan } from "../../../src/verify/judge/seen-span.ts";

/** The spans that a request makes in a graph, and its ledger: an oracle that knows what really happened. */
export interface SimulatedTrace {
  readonly spans: SeenSpan[];
  readonly ledger: Ledger;
}

export interface Chances {
  /** Probability that a service with errors answers with one. */
  readonly error: number;
  /** Probability that a call gets no answer. */
  readonly timeout: number;
  /** Probability that an answer has no ledger. @default 0 */
  readonly stripped?: number;
  /** Probability that a request is sent twice: the first one is served, but its answer is lost. @default 0 */
  readonly repeated?: number;
}

export function simulateTrace(graph: CallGraph, random: Random, chances: Chances): SimulatedTrace {
  const spans: SeenSpan[] = [];
  const unaccounted = new Set<SeenSpan>();
  let clock = 1_000_000;
  let unknown = 0;
  const newId = () =>
    Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16))
      .join("")
      .replace(/^0/, "1");
  const happens = (chance = 0) => chance > 0 && random() < chance;
  const push = (span: SeenSpan, isKnown: boolean) => {
    spans.push(span);
    if (!isKnown) unaccounted.add(span);
  };
  const serve = (serviceName: string, parentId: string | null, isKnown: boolean): number => {
    const service = graph.services.get(serviceName);
    if (service === undefined) throw new Error(`no service ${serviceName}`);
    const id = newId();
    const startUs = clock++;
    let status = 200;
    const [own] = service.ownErrors;
    if (own !== undefined && random() < chances.error) status = own;
    else {
      for (const step of service.steps) {
        const failed = step
          .filter((call) => call.isCertain || random() < 0.5)
          .map((call) => makeCall(serviceName, id, call, isKnown))
          .find((answer) => answer === null || answer >= 400);
        if (failed === undefined) continue;
        status = failed ?? 504;
        break;
      }
    }
    const span = { id, parentId, serviceName, remote: null, status, attempt: 0, startUs, endUs: clock++ };
    push({ ...span, kind: "SERVER" }, isKnown);
    return status;
  };
  const makeCall = (
    serviceName: string,
    parentId: string,
    call: GraphCall,
    isKnown: boolean,
  ): number | null => {
    for (let attempt = 0; ; attempt++) {
      const id = newId();
      const startUs = clock++;
      const isCut = random() < chances.timeout;
      const isStripped = happens(chances.stripped);
      const isRepeated = happens(chances.repeated);
      if (isKnown) unknown += Number(isCut || isStripped) + Number(isRepeated);
      if (isRepeated) serve(call.service, id, false);
      const answer = serve(call.service, id, isKnown && !isCut && !isStripped);
      const status = isCut ? null : answer;
      const span = { id, parentId, serviceName, remote: call.service, status, attempt, startUs };
      push({ ...span, kind: "CLIENT", endUs: clock++ }, isKnown);
      if (attempt < call.retries && call.repeats(status) === "always") continue;
      return status;
    }
  };
  serve(graph.entry, null, true);
  let ledger = ledgerOf(spans.filter((span) => !unaccounted.has(span)));
  for (let count = 0; count < unknown; count++) ledger = addUnknown(ledger);
  return { spans, ledger };
}
