import { lowerBytes } from "../http/characters.ts";
import type { Failure } from "../http/failure.ts";
import type { CallListener, Reply } from "../http/reply.ts";
import { BEGUN_TRACE_HEADER, TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER, parseLedger } from "../trace/ledger.ts";
import type { LedgerRecord } from "../trace/ledger-record.ts";

const LEDGER_NAME = lowerBytes(LEDGER_HEADER);
const TRACE_RESPONSE_NAMES = [TRACE_RESPONSE_HEADER, BEGUN_TRACE_HEADER].map(lowerBytes);

/** Whose requests they are. */
export interface CallOwner {
  /** The call is over: with a reply, or with a failure. */
  end(call: Call, reply: Reply | null, failure: Failure | null, isRepeated: boolean): void;
}

/** One request under way. Objects are used again. */
export class Call implements CallListener {
  /** On the clock of `performance.now()`. */
  dueMs = 0;
  sequence = 0;
  isSampled = false;
  /** It is not of the warm-up. */
  isMeasured = false;
  readonly #owner: CallOwner;

  constructor(owner: CallOwner) {
    this.#owner = owner;
  }

  onReply(reply: Reply, isRepeated: boolean): void {
    this.#owner.end(this, reply, null, isRepeated);
  }

  onFailure(failure: Failure, isRepeated: boolean): void {
    this.#owner.end(this, null, failure, isRepeated);
  }
}

/** A request that may have arrived twice may have made spans that this answer does not account for. */
export function readLedger({ fields }: Reply, isRepeated: boolean): LedgerRecord["ledger"] {
  const index = fields.find(LEDGER_NAME);
  if (index === -1) return null;
  const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
  const ledger = parseLedger(text);
  return ledger !== null && isRepeated ? { ...ledger, unknown: ledger.unknown + 1 } : ledger;
}

/** The trace id that an answer names, if it names one: whoever answered began that trace. */
export function readTraceResponse({ fields }: Reply): string | null {
  for (const name of TRACE_RESPONSE_NAMES) {
    const index = fields.find(name);
    if (index === -1) continue;
    const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
    return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(text)?.[1] ?? null;
  }
  return null;
}
