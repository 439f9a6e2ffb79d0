import { Client, type Outcome } from "../http/client.ts";
import { errorText } from "../lib/errors.ts";
import type { Exporter } from "./export.ts";

/** The result of an attempt to send a batch. */
export type Attempt =
  /** Even if the backend rejected some of the spans. */
  | { readonly kind: "sent"; readonly rejected: number }
  /** The backend does not accept the batch. */
  | { readonly kind: "rejected"; readonly message: string }
  /** The backend is unreachable or fails temporarily. */
  | { readonly kind: "unable"; readonly message: string; readonly retryAfterMs: number };

/** Maximum `Retry-After` that is honored: a batch that waits this long is still retried. */
const LONGEST_RETRY_AFTER_MS = 30_000;
const LONGEST_MESSAGE = 200;
/** How much of an answer is kept, for its message or the number of rejected spans. The rest is dropped. */
const KEPT_ANSWER_BYTES = 64 * 1024;

/** Posts batches to a backend. */
export class Sender {
  readonly #exporter: Exporter;
  readonly #client: Client;

  constructor(exporter: Exporter) {
    this.#exporter = exporter;
    this.#client = new Client({
      tls: exporter.tls,
      limits: { bodyBytes: Number.POSITIVE_INFINITY, keptBodyBytes: KEPT_ANSWER_BYTES },
    });
  }

  async send(body: Uint8Array, timeoutMs: number): Promise<Attempt> {
    const { url, headers } = this.#exporter;
    let outcome: Outcome;
    try {
      // Redirects are not followed: the POST would become a GET, and the page that it finds would count as sent.
      outcome = await this.#client.request(url, { method: "POST", headers, body, timeoutMs });
    } catch (error) {
      // A configured header cannot be sent.
      return { kind: "rejected", message: errorText(error) };
    }
    if (outcome.kind === "reply") return this.#judge(outcome);
    const isLate = outcome.reason === "timeout" || outcome.reason === "client_closed";
    const message = isLate ? `no answer within ${Math.round(timeoutMs)} ms` : outcome.message;
    return { kind: "unable", message, retryAfterMs: 0 };
  }

  /** Ends the requests in flight. */
  close(): void {
    this.#client.close();
  }

  #judge({ status, headers, body }: Extract<Outcome, { kind: "reply" }>): Attempt {
    if (status < 300) return { kind: "sent", rejected: this.#readRejected(body) };
    const message = `${status} ${body.toString().slice(0, LONGEST_MESSAGE).trim()}`.trim();
    if (!this.#exporter.retryStatuses.has(status)) return { kind: "rejected", message };
    const retryAfter = headers.find(([name]) => name.toLowerCase() === "retry-after")?.[1];
    return { kind: "unable", message, retryAfterMs: readRetryAfter(retryAfter) };
  }

  /** The number of spans in an accepted batch that the backend rejected. */
  #readRejected(body: Uint8Array): number {
    try {
      return this.#exporter.countRejected(body);
    } catch {
      // The status arrived, so the batch was accepted: sending it again would duplicate it.
      return 0;
    }
  }
}

/** Milliseconds of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); 0 if absent or malformed. */
function readRetryAfter(text: string | undefined): number {
  if (text === undefined) return 0;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms));
}
