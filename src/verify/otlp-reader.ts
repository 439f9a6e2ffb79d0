// Jaeger v2: https://www.jaegertracing.io/docs/2.0/apis/  Tempo: https://grafana.com/docs/tempo/latest/api_docs/
import { apiUrl } from "../lib/endpoint.ts";
import { errorText } from "../lib/errors.ts";
import { isRecord } from "../lib/record.ts";
import { decodeOtlpTraces } from "./otlp-traces.ts";
import type { SeenSpan } from "./seen-span.ts";
import { checkAsked, type Fetch, getText, type TraceReader, unreadable } from "./trace-reader.ts";

/** These backends are asked for one trace at a time. */
const IDS_AT_ONCE = 16;

interface OtlpBackend {
  readonly title: string;
  readonly path: (traceId: string) => string;
  /** The part of the answer that is OTLP. */
  readonly unwrap: (content: Record<string, unknown>) => unknown;
  readonly page: (traceId: string) => string | null;
}

const BACKENDS = {
  jaeger: {
    title: "Jaeger",
    path: (traceId) => `/api/v3/traces/${traceId}`,
    unwrap: (content) => content.result ?? content,
    page: (traceId) => `/trace/${traceId}`,
  },
  tempo: {
    title: "Tempo",
    path: (traceId) => `/api/v2/traces/${traceId}`,
    unwrap: (content) => content.trace ?? content,
    page: () => null,
  },
} as const satisfies Readonly<Record<string, OtlpBackend>>;

/** Reads backends that answer OTLP JSON, one trace at a time. Tested against recorded answers only. */
export class OtlpReader implements TraceReader {
  readonly batchSize = IDS_AT_ONCE;
  readonly name: string;
  readonly #base: string;
  readonly #kind: keyof typeof BACKENDS;
  readonly #backend: OtlpBackend;
  readonly #fetch: Fetch;

  /** @param url A base URL */
  constructor(kind: keyof typeof BACKENDS, url: string, through: Fetch = fetch) {
    this.#kind = kind;
    this.#fetch = through;
    this.#backend = BACKENDS[kind];
    this.#base = url;
    this.name = `${this.#backend.title} at ${url}`;
  }

  async read(traceIds: readonly string[], signal: AbortSignal): Promise<Map<string, SeenSpan[]>> {
    const traces = new Map<string, SeenSpan[]>();
    await Promise.all(
      traceIds.map(async (traceId) => {
        const spans = await this.#readOne(traceId, signal);
        if (spans.length > 0) traces.set(traceId, spans);
      }),
    );
    return traces;
  }

  pageOf(traceId: string): string | null {
    const page = this.#backend.page(traceId);
    return page === null ? null : apiUrl(this.#base, this.#kind, page);
  }

  async #readOne(traceId: string, signal: AbortSignal): Promise<SeenSpan[]> {
    const url = apiUrl(this.#base, this.#kind, this.#backend.path(traceId));
    const text = await getText(this.name, url, signal, this.#fetch);
    if (text === null || text.trim() === "") return [];
    let found: ReturnType<typeof decodeOtlpTraces>;
    try {
      const content: unknown = JSON.parse(text);
      if (!isRecord(content)) throw new TypeError("expected an object");
      found = decodeOtlpTraces(this.#backend.unwrap(content));
    } catch (error) {
      throw unreadable(this.name, errorText(error), error);
    }
    checkAsked(
      this.name,
      [traceId],
      found.map((it) => it.traceId),
    );
    // Somebody else's trace would be nobody's proof.
    return found.filter((it) => it.traceId === traceId).map(({ span }) => span);
  }
}
