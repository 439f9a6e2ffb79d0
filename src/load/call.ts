import { lowerBytes } from "../http/characters.ts";
import type { Failure } from "../http/failure.ts";
import type { CallListener, Reply } from "../http/reply.ts";
import { BEGUN_TRACE_HEADER, TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER, parseLedger } from "../trace/ledger.ts";
import type { LedgerRecord } from "../trace/ledger-record.ts";

const LEDGER_NAME = lowerBytes(LEDGER_HEADER);
const TRACE_RESPONSE_NAMES = [TRACE_RESPONSE_HEADER, BEGUN_TRACE_HEADER].map(lowerBytes);

/** The load to which calls belong. */
export interface CallOwner {
  /** The call ended, with a reply or a failure. */
  end(call: Call, reply: Reply | null, failure: Failure | null, isRepeated: boolean): void;
}

/** One request in flight. Objects are reused. */
export class Call implements CallListener {
  /** When the request was due, as a time of `performance.now()`. */
  dueMs = 0;
  sequence = 0;
  isSampled = false;
  /** It does not belong to the warm-up. */
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

/** `null` for a request that may have arrived twice, because its answer would not cover all its spans. */
export function readLedger({ fields }: Reply, isRepeated: boolean): LedgerRecord["ledger"] {
  const index = fields.find(LEDGER_NAME);
  if (index === -1) return null;
  const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
  const ledger = parseLedger(text);
  return ledger !== null && isRepeated ? { ...ledger, unknown: ledger.unknown + 1 } : ledger;
}

/** The trace id in an answer, if any: whoever answered began that trace. */
export function readTraceResponse({ fields }: Reply): string | null {
  for (const name of TRACE_RESPONSE_NAMES) {
    const index = fields.find(name);
    if (index === -1) continue;
    const text = fields.bytes.toString("latin1", fields.valueStart(index), fields.valueEnd(index));
    return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(text)?.[1] ?? null;
  }
  return null;
}
