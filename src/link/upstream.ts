import { Client } from "../http/client.ts";
import type { Failure } from "../http/failure.ts";
import { errorText } from "../lib/errors.ts";
import { TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER } from "../trace/ledger.ts";

/** What became of one attempt to call another service. */
export type Reply = (
  | {
      readonly kind: "answer";
      /** 200 to 599. */
      readonly status: number;
      /** Those of {@link PASSED_HEADERS} that came. */
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The account of the callee's spans, as it came. */
      readonly ledger: string | null;
      /** Says which trace the callee began, where it did not take ours. */
      readonly traceResponse: string | null;
      /** As it was sent: what is compressed stays so. */
      readonly body: Uint8Array;
    }
  | ({ readonly kind: "failure" } & Failure)
) & {
  /** Sent a second time, as the kept connection turned out to be closed: the first may have arrived, too. */
  readonly isRepeated: boolean;
};

/** Headers of an answer without which its body or status cannot be understood. */
const PASSED_HEADERS = ["content-type", "content-encoding", "location"];

/** Calls other services, and keeps the connections to them. */
export class UpstreamClient {
  readonly #client = new Client();

  /**
   * One GET, with everything read within `timeoutMs`. Redirects are handed back, not followed, and the body comes as
   * it was sent. Never throws: a failure is a value.
   */
  async get(
    url: string,
    headers: readonly (readonly [name: string, value: string])[],
    timeoutMs: number,
  ): Promise<Reply> {
    try {
      const outcome = await this.#client.request(url, { headers, timeoutMs });
      if (outcome.kind === "failure") {
        return outcome.reason === "timeout"
          ? { ...outcome, message: `no answer within ${timeoutMs} ms` }
          : outcome;
      }
      const find = (wanted: string) =>
        outcome.headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? null;
      return {
        kind: "answer",
        status: outcome.status,
        headers: outcome.headers.filter(([name]) => PASSED_HEADERS.includes(name.toLowerCase())),
        ledger: find(LEDGER_HEADER),
        traceResponse: find(TRACE_RESPONSE_HEADER),
        body: outcome.body,
        isRepeated: outcome.isRepeated,
      };
    } catch (error) {
      // What cannot be sent: a name that makes no URL.
      return { kind: "failure", reason: "connection_failed", message: errorText(error), isRepeated: false };
    }
  }

  /** Ends all calls and closes all connections. */
  close(): void {
    this.#client.close();
  }
}
