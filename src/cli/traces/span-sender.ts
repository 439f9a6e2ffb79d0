import { readBodyText } from "../../lib/bounded-body.ts";
import { isRecord } from "../../lib/record.ts";
import { encodeOtlpByService } from "../../trace/otlp-by-service.ts";
import type { Span } from "../../trace/span.ts";
import type { TraceBackend } from "./trace-backend.ts";

/** Size of one request; receivers accept 10 MiB (Zipkin, our collector) to 20 MiB (OpenTelemetry Collector). */
const BATCH_BYTES = 1024 * 1024;
const BATCH_SPANS = 2000;

const ZIPKIN_PATH = "/api/v2/spans";
const OTLP_PATH = "/v1/traces";

/** Statuses of a server that does not have a path. */
const ABSENT: ReadonlySet<number> = new Set([404, 405, 501]);
const TOO_LARGE = 413;

/** Sends spans in batches that every receiver accepts, and counts how many were stored and refused. */
export class SpanSender {
  /** Spans that the receiver accepted. */
  stored = 0;
  /** How many spans the receiver refused, by its reason; 0 for a warning. */
  readonly refused = new Map<string, number>();
  readonly backend: TraceBackend;
  #path: typeof ZIPKIN_PATH | typeof OTLP_PATH | null;

  constructor(backend: TraceBackend) {
    this.backend = backend;
    this.#path = ([ZIPKIN_PATH, OTLP_PATH] as const).find((path) => backend.isGivenAs(path)) ?? null;
  }

  /**
   * Sends one batch after the other until the signal aborts; the batch in flight is still counted.
   * @throws {UserError} `collector-unreachable`, `collector-refused`
   */
  async send(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    for (const batch of cutBatches(spans)) {
      if (signal.aborted) return;
      await this.#sendBatch(batch);
    }
  }

  async #sendBatch(spans: readonly Span[]): Promise<void> {
    const response = await this.#post(spans);
    if (response.status === TOO_LARGE && spans.length > 1) {
      const middle = spans.length >> 1;
      await this.#sendBatch(spans.slice(0, middle));
      await this.#sendBatch(spans.slice(middle));
      return;
    }
    // An HTML page, for example of a proxy, does not mean that spans were stored.
    const isPage = /^text\/html\b/i.test(response.headers.get("content-type") ?? "");
    if (!response.ok || isPage) throw await this.backend.refusal(response);
    this.stored += spans.length - this.#countRefused(await readBodyText(response), spans.length);
  }

  /** Posts to the path that the URL ends in, or that the receiver has. Zipkin's path first: our collector has both. */
  async #post(spans: readonly Span[]): Promise<Response> {
    if (this.#path !== OTLP_PATH) {
      const response = await this.backend.post(ZIPKIN_PATH, JSON.stringify(spans));
      if (this.#path === ZIPKIN_PATH || !ABSENT.has(response.status)) {
        this.#path = ZIPKIN_PATH;
        return response;
      }
      const other = await this.backend.post(OTLP_PATH, encodeOtlpByService(spans));
      if (other.ok) this.#path = OTLP_PATH;
      return ABSENT.has(other.status) ? response : other;
    }
    return this.backend.post(OTLP_PATH, encodeOtlpByService(spans));
  }

  /** https://opentelemetry.io/docs/specs/otlp/#partial-success-1 */
  #countRefused(answer: string, sent: number): number {
    const { partialSuccess } = parseObject(answer);
    if (!isRecord(partialSuccess)) return 0;
    const { rejectedSpans, errorMessage } = partialSuccess;
    const rejected = Math.min(sent, Number(rejectedSpans) || 0);
    const reason =
      typeof errorMessage === "string" && errorMessage !== "" ? errorMessage : "without a reason";
    if (rejected > 0 || reason === errorMessage)
      this.refused.set(reason, (this.refused.get(reason) ?? 0) + rejected);
    return rejected;
  }
}

/** Zipkin answers with an empty body, and some OTLP receivers always answer with protobuf. */
function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function* cutBatches(spans: readonly Span[]): Generator<Span[]> {
  let [batch, size]: [Span[], number] = [[], 0];
  for (const span of spans) {
    const bytes = Buffer.byteLength(JSON.stringify(span));
    if (batch.length === BATCH_SPANS || (batch.length > 0 && size + bytes > BATCH_BYTES)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(span);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}
