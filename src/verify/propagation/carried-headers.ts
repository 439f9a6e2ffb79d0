import type { CapturedHeader } from "../../trace/capture.ts";
import { parseTraceparent } from "../../trace/context.ts";
import type { Probe } from "./propagation-forms.ts";

type Headers = ReadonlyMap<CapturedHeader, string>;

/** What a request carried beside its trace, as a caller had it and as the callee got it. */
interface CarriedHeaders {
  readonly probe: Probe;
  /** `null`: a caller that does not show it. */
  readonly before: Headers | null;
  /** `null`: a callee that does not show it. */
  readonly after: Headers | null;
}

/** What is wrong with what arrived, in words; `null`: nothing, and `undefined` when nobody shows it. */
export function findHeaderLoss({ probe, before, after }: CarriedHeaders): string | null | undefined {
  if (probe.carried.length === 0) return null;
  if (before === null || after === null) return undefined;
  for (const name of probe.carried) {
    const sent = before.get(name);
    // Lost before already; or the caller had to begin a trace, to which a state that came in does not belong.
    if (sent === undefined || (name === "tracestate" && !before.has("traceparent"))) continue;
    const loss = compare(name, sent, after.get(name));
    if (loss !== null) return loss;
  }
  return null;
}

function compare(name: CapturedHeader, sent: string, received: string | undefined): string | null {
  if (received === undefined) return `${name} is stripped`;
  switch (name) {
    case "tracestate":
    case "baggage": {
      const left = lostMembers(sent, received, name === "tracestate");
      return left === 0 ? null : `${left} of ${membersOf(sent).length} members of ${name} are lost or moved`;
    }
    case "traceparent":
      return changeOfRandomFlag(sent, received);
    case "x-request-id":
      return received === sent ? null : `${name} is another`;
    default:
      // Rewritten by each link: that the trace goes on says whether rightly.
      return null;
  }
}

/** Ids and the sampled flag are rewritten by each link, but the random flag belongs to the trace id. */
function changeOfRandomFlag(sent: string, received: string): string | null {
  const before = parseTraceparent(sent);
  const after = parseTraceparent(received);
  if (before === null || before.traceId !== after?.traceId || before.random === after.random) return null;
  return before.random ? "the random flag of traceparent is lost" : "traceparent gained the random flag";
}

/** Others may add members. Those of `tracestate` have an order: new ones stand in front (W3C Trace Context, 3.3.1.3). */
function lostMembers(sent: string, received: string, isOrdered: boolean): number {
  const arrived = membersOf(received);
  let at = 0;
  let lost = 0;
  for (const member of membersOf(sent)) {
    const found = arrived.indexOf(member, isOrdered ? at : 0);
    if (found === -1) lost++;
    else at = found + 1;
  }
  return lost;
}

function membersOf(list: string): string[] {
  return list
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
}
