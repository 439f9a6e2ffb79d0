// Jaeger v2: https://www.jaegertracing.io/docs/2.0/apis/  Tempo: https://grafana.com/docs/tempo/latest/api_docs/
import { apiUrl } from "../../lib/endpoint.ts";
import { errorText } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { decodeOtlpTraces } from "./otlp-traces.ts";
import {
  checkAsked,
  type Fetch,
  getText,
  notThere,
  type TraceReader,
  type TraceSearch,
  unreadable,
} from "./trace-reader.ts";

/** Tempo cuts a trace above its size limit: https://grafana.com/docs/tempo/latest/api_docs/#query-v2 */
const PARTIAL: readonly unknown[] = ["PARTIAL", 1];
const JAEGER_SERVICES = "/api/v3/services";
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
    // Without it Jaeger merges equal spans, and copies cannot be seen.
    path: (traceId) => `/api/v3/traces/${traceId}?raw_traces=true`,
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

/** Reads backends that answer OTLP JSON, one trace at a time. Tempo is tested against recorded answers only. */
export class OtlpReader implements TraceReader {
  readonly readServices?: TraceReader["readServices"];
  readonly findTraces?: TraceReader["findTraces"];
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
    if (kind === "jaeger") {
      this.readServices = (signal) => this.#readServices(signal);
      this.findTraces = (search, signal) => this.#findTraces(search, signal);
    }
  }

  async read(traceIds: readonly string[], signal: AbortSignal): Promise<Map<string, SeenSpan[]>> {
    const traces = new Map<string, SeenSpan[]>();
    await Promise.all(
      traceIds.map(async (traceId) => {
        const spans = await this.#readOne(traceId, signal);
        if (spans.length > 0) traces.set(traceId, spans);
      }),
    );
    if (traces.size === 0) await this.#assertPresent(signal);
    return traces;
  }

  pageOf(traceId: string): string | null {
    const page = this.#backend.page(traceId);
    return page === null ? null : apiUrl(this.#base, this.#kind, page);
  }

  /** A 404 says that a trace is absent only if the backend itself says so. Tempo has no path that gateways always route. */
  async #assertPresent(signal: AbortSignal): Promise<void> {
    if (this.#kind === "jaeger" && (await this.#readJson(JAEGER_SERVICES, signal)) === null)
      throw notThere(this.name);
  }

  async #readServices(signal: AbortSignal): Promise<readonly string[]> {
    const content = await this.#readJson(JAEGER_SERVICES, signal);
    const names = content?.services;
    return Array.isArray(names) ? names.map((name) => String(name).toLowerCase()) : [];
  }

  async #findTraces(
    { service, fromMs, toMs, limit }: TraceSearch,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly SeenSpan[]>> {
    const query = new URLSearchParams({
      "query.service_name": service,
      "query.start_time_min": new Date(fromMs).toISOString(),
      "query.start_time_max": new Date(toMs).toISOString(),
      "query.search_depth": String(limit),
      // Its name in older versions.
      "query.num_traces": String(limit),
      "query.raw_traces": "true",
    });
    const parts = await this.#readAll(`/api/v3/traces?${query}`, signal);
    const found = parts.flatMap((part) => this.#decode(part));
    const traces = Map.groupBy(found, ({ traceId }) => traceId);
    return new Map(traces.entries().map(([id, spans]) => [id, spans.map(({ span }) => span)]));
  }

  /** Jaeger may stream its answer: an object a line. */
  async #readAll(path: string, signal: AbortSignal): Promise<Record<string, unknown>[]> {
    const text = await getText(this.name, apiUrl(this.#base, this.#kind, path), signal, this.#fetch);
    const lines = (text ?? "").split("\n").filter((line) => line.trim() !== "");
    const isStream = lines.length > 1 && lines.every((line) => line.startsWith("{") && line.endsWith("}"));
    const parts = isStream ? lines : [text];
    return parts.map((part) => this.#parse(part)).filter((part) => part !== null);
  }

  /** `null` where there is nothing. */
  async #readJson(path: string, signal: AbortSignal): Promise<Record<string, unknown> | null> {
    return this.#parse(await getText(this.name, apiUrl(this.#base, this.#kind, path), signal, this.#fetch));
  }

  #parse(text: string | null): Record<string, unknown> | null {
    if (text === null || text.trim() === "") return null;
    try {
      const content: unknown = JSON.parse(text);
      if (!isRecord(content)) throw new TypeError("expected an object");
      return content;
    } catch (error) {
      throw unreadable(this.name, errorText(error), error);
    }
  }

  #decode(content: Record<string, unknown>): ReturnType<typeof decodeOtlpTraces> {
    try {
      return decodeOtlpTraces(this.#backend.unwrap(content));
    } catch (error) {
      throw unreadable(this.name, errorText(error), error);
    }
  }

  async #readOne(traceId: string, signal: AbortSignal): Promise<SeenSpan[]> {
    const content = await this.#readJson(this.#backend.path(traceId), signal);
    if (content === null) return [];
    if (PARTIAL.includes(content.status)) {
      const why = typeof content.message === "string" && content.message !== "" ? `: ${content.message}` : "";
      throw unreadable(
        this.name,
        `it returns only a part of trace ${traceId} (status PARTIAL${why})`,
        undefined,
      );
    }
    const found = this.#decode(content);
    checkAsked(
      this.name,
      [traceId],
      found.map((it) => it.traceId),
    );
    // Somebody else's trace would be nobody's proof.
    return found.filter((it) => it.traceId === traceId).map(({ span }) => span);
  }
}
