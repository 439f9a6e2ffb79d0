// https://zipkin.io/zipkin-api/#/default/get_traceMany
import { apiUrl } from "../../lib/endpoint.ts";
import { errorText } from "../../lib/errors.ts";
import { decodeZipkinJson } from "../../trace/zipkin-json.ts";
import { type SeenSpan, toSeenSpan } from "../judge/seen-span.ts";
import {
  checkAsked,
  type Fetch,
  getBytes,
  getText,
  isTooLarge,
  lowHalf,
  notThere,
  type TraceReader,
  type TraceSearch,
  unreadable,
} from "./trace-reader.ts";

/** Trace ids per query. Each takes 33 characters, and Zipkin answers 414 to a request line above 4,096. */
const IDS_PER_QUERY = 110;
/** Concurrent queries when each trace needs its own. */
const SINGLE_QUERIES = 16;

/** How a backend is reached. */
interface ZipkinPassage {
  /** Description of its location, if a browser cannot open its URL. */
  readonly place?: string;
  readonly fetch: Fetch;
}

/** Reads Zipkin and everything with its query API, such as the embedded collector. */
export class ZipkinReader implements TraceReader {
  readonly batchSize = IDS_PER_QUERY;
  readonly name: string;
  hasCutIds = false;
  #hasFound = false;
  readonly #base: string;
  /** Whether the server lacks `traceMany`, so that each trace needs its own query. */
  #hasMany = true;
  #hasAnsweredMany = false;
  #hasLedgers: boolean;

  readonly #through: ZipkinPassage | null;

  /** @param url A base URL */
  constructor(url: string, kind: "Zipkin" | "collector" = "Zipkin", through: ZipkinPassage | null = null) {
    this.name = `${kind} ${through?.place ?? `at ${url}`}`;
    this.#base = url;
    this.#hasLedgers = kind === "collector";
    this.#through = through;
  }

  /**
   * Until a trace is found, also asks for the low half of each id: something on the way may have cut the ids to
   * 64 bits, and a Zipkin with strict trace ids then does not find them by the whole id.
   */
  async read(traceIds: readonly string[], signal: AbortSignal): Promise<Map<string, SeenSpan[]>> {
    const found = await this.#readIds(traceIds, signal);
    this.#hasFound ||= found.size > 0;
    const left = traceIds.filter((id) => !found.has(id));
    if (left.length === 0 || (this.#hasFound && !this.hasCutIds)) return found;
    const wholeIds = new Map(left.map((id) => [lowHalf(id), id]));
    for (const [id, spans] of await this.#readIds([...wholeIds.keys()], signal)) {
      const traceId = wholeIds.get(lowHalf(id));
      if (traceId === undefined) continue;
      found.set(traceId, spans);
      this.hasCutIds = true;
    }
    return found;
  }

  async #readIds(traceIds: readonly string[], signal: AbortSignal): Promise<Map<string, SeenSpan[]>> {
    const [first] = traceIds;
    if (first === undefined) return new Map();
    // traceMany rejects a single id.
    if (traceIds.length > 1 && this.#hasMany) {
      try {
        const found = await this.#readMany(traceIds, signal);
        if (found !== null) {
          this.#hasAnsweredMany = true;
          return found;
        }
        if (this.#hasAnsweredMany) throw notThere(this.name);
        this.#hasMany = false;
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        const middle = traceIds.length >> 1;
        const halves = [
          await this.#readIds(traceIds.slice(0, middle), signal),
          await this.#readIds(traceIds.slice(middle), signal),
        ];
        return new Map(halves.flatMap((half) => [...half]));
      }
    }
    const found: SeenSpanOf[] = [];
    let areAllAbsent = true;
    for (let from = 0; from < traceIds.length; from += SINGLE_QUERIES) {
      const ids = traceIds.slice(from, from + SINGLE_QUERIES);
      const lists = await Promise.all(ids.map((id) => this.#readOne(id, signal)));
      found.push(...lists.flatMap((list) => list ?? []));
      areAllAbsent &&= lists.every((list) => list === null);
    }
    if (areAllAbsent) await this.#assertPresent(signal);
    return this.#group(found, traceIds);
  }

  /** Returns `null` if the server has no such query. */
  async #readMany(traceIds: readonly string[], signal: AbortSignal): Promise<Map<string, SeenSpan[]> | null> {
    const url = this.#urlOf(`/api/v2/traceMany?traceIds=${traceIds.join(",")}`);
    const text = await getText(this.name, url, signal, this.#through?.fetch);
    return text === null ? null : this.#group(this.#decodeLists(text), traceIds);
  }

  readLedgers(run: string, from: number, limit: number, signal: AbortSignal): Promise<DataView | null> {
    return this.#readRecords(`${run}/ledger?from=${from}&limit=${limit}`, signal);
  }

  readCopies(run: string, from: number, limit: number, signal: AbortSignal): Promise<DataView | null> {
    return this.#readRecords(`${run}/ledger?from=${from}&limit=${limit}&of=copies`, signal);
  }

  /** Only the embedded collector supports this. */
  async #readRecords(query: string, signal: AbortSignal): Promise<DataView | null> {
    if (!this.#hasLedgers) return null;
    const url = this.#urlOf(`/api/runs/${query}`);
    const bytes = await getBytes(this.name, url, signal, this.#through?.fetch);
    if (bytes === null) this.#hasLedgers = false;
    return bytes === null ? null : new DataView(bytes.buffer);
  }

  async readServices(signal: AbortSignal): Promise<readonly string[]> {
    const text = await getText(this.name, this.#urlOf("/api/v2/services"), signal, this.#through?.fetch);
    const names = text === null ? [] : this.#parseList(text);
    return names.map((name) => String(name).toLowerCase());
  }

  /** A 404 says that a trace is absent only if the backend itself says so. */
  async #assertPresent(signal: AbortSignal): Promise<void> {
    const url = this.#urlOf("/api/v2/services");
    if ((await getText(this.name, url, signal, this.#through?.fetch)) === null) throw notThere(this.name);
  }

  async findTraces(
    { service, fromMs, toMs, limit }: TraceSearch,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly SeenSpan[]>> {
    const query = new URLSearchParams({
      serviceName: service,
      endTs: String(Math.ceil(toMs)),
      lookback: String(Math.ceil(toMs - fromMs)),
      limit: String(limit),
    });
    const text = await getText(
      this.name,
      this.#urlOf(`/api/v2/traces?${query}`),
      signal,
      this.#through?.fetch,
    );
    const found = text === null ? [] : this.#decodeLists(text);
    const traces = Map.groupBy(found, ({ traceId }) => traceId);
    return new Map(traces.entries().map(([id, spans]) => [id, spans.map(({ span }) => span)]));
  }

  pageOf(traceId: string): string | null {
    if (this.#through?.place !== undefined) return null;
    const url = this.#urlOf(`/zipkin/traces/${traceId}`);
    // A base URL may already end with the path of Zipkin's page.
    return url.replace("/zipkin/zipkin/", "/zipkin/");
  }

  /** Returns `null` for 404. */
  async #readOne(traceId: string, signal: AbortSignal): Promise<SeenSpanOf[] | null> {
    const url = this.#urlOf(`/api/v2/trace/${traceId}`);
    const text = await getText(this.name, url, signal, this.#through?.fetch);
    return text === null ? null : this.#decode(text);
  }

  #urlOf(path: string): string {
    return apiUrl(this.#base, "zipkin", path);
  }

  /** Decodes `[[span, …], …]` as one list. */
  #decodeLists(text: string): SeenSpanOf[] {
    const lists = this.#parseList(text);
    if (!lists.every(Array.isArray)) {
      throw unreadable(this.name, "expected a list of traces, found something else", undefined);
    }
    return this.#decode(JSON.stringify(lists.flat()));
  }

  #parseList(text: string): unknown[] {
    let list: unknown;
    try {
      list = JSON.parse(text);
    } catch (error) {
      throw unreadable(this.name, `its answer is not valid JSON (${errorText(error)})`, error);
    }
    if (!Array.isArray(list)) throw unreadable(this.name, "expected a list, found something else", undefined);
    return list;
  }

  #group(found: readonly SeenSpanOf[], traceIds: readonly string[]): Map<string, SeenSpan[]> {
    // A backend with 64-bit ids returns only the low half.
    const asked = new Map(traceIds.map((id) => [lowHalf(id), id] as const));
    const traces = Map.groupBy(found, ({ traceId }) =>
      traceId.startsWith(NO_HIGH_HALF) ? (asked.get(lowHalf(traceId)) ?? traceId) : traceId,
    );
    checkAsked(this.name, traceIds, traces.keys());
    return new Map(traces.entries().map(([id, spans]) => [id, spans.map(({ span }) => span)]));
  }

  #decode(text: string): SeenSpanOf[] {
    try {
      return decodeZipkinJson(text).map((span) => ({
        traceId: span.traceId.padStart(32, "0"),
        span: toSeenSpan(span),
      }));
    } catch (error) {
      throw unreadable(this.name, errorText(error), error);
    }
  }
}

const NO_HIGH_HALF = "0".repeat(16);

interface SeenSpanOf {
  readonly traceId: string;
  readonly span: SeenSpan;
}
