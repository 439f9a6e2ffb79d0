import { once } from "node:events";
import { createWriteStream, openSync } from "node:fs";
import { apiUrl, type Endpoint, fetchAs } from "../lib/endpoint.ts";
import { errorText, UserError } from "../lib/errors.ts";
import { unwritable } from "../lib/unwritable.ts";
import { encodeOtlpJson } from "../trace/otlp.ts";
import { tagEndpoints } from "../trace/otlp-endpoints.ts";
import type { Span } from "../trace/span.ts";
import type { Output } from "./output.ts";
import { readDocument } from "./topology-input.ts";

export interface ExportOptions {
  readonly from: Endpoint;
  readonly service: string | null;
  readonly query: string | null;
  readonly lookbackMs: number;
  /** Traces at most. */
  readonly limit: number;
  readonly format: "zipkin" | "otlp";
}

/** Traces asked for at a time. */
const PAGE_TRACES = 500;

/** Spans posted at a time: about 1 MB. */
const BATCH_SPANS = 2000;

/** Writes traces of a Zipkin or a collector to a file, `-` is standard output, the newest first. @throws {UserError} */
export async function exportTraces(
  file: string,
  options: ExportOptions,
  output: Output,
): Promise<{ traces: number; spans: number }> {
  // First, so that an address where nobody answers leaves a file as it was.
  const pages = readPages(options);
  let page = await pages.next();
  const { write, end } =
    file === "-" ? { write: (text: string) => output.result(text), end: async () => {} } : openFile(file);
  const isZipkin = options.format === "zipkin";
  let [traces, spans] = [0, 0];
  if (isZipkin) await write("[");
  for (; !page.done; page = await pages.next()) {
    for (const trace of page.value) {
      if (isZipkin) {
        const text = trace.map((span) => JSON.stringify(span)).join(",\n");
        await write(spans === 0 ? `\n${text}` : `,\n${text}`);
      } else await write(formatOtlp(trace));
      traces++;
      spans += trace.length;
    }
  }
  if (isZipkin) await write("\n]\n");
  await end();
  return { traces, spans };
}

interface Sink {
  readonly write: (text: string) => Promise<void>;
  readonly end: () => Promise<void>;
}

function openFile(file: string): Sink {
  let descriptor: number;
  try {
    descriptor = openSync(file, "w");
  } catch (error) {
    throw unwritable(file, error);
  }
  const stream = createWriteStream(file, { fd: descriptor });
  const failed = once(stream, "error").then(([error]) => {
    throw unwritable(file, error);
  });
  failed.catch(() => {});
  return {
    async write(text) {
      if (!stream.write(text)) await Promise.race([once(stream, "drain"), failed]);
    },
    async end() {
      stream.end();
      await Promise.race([once(stream, "finish"), failed]);
    },
  };
}

async function* readPages({
  from,
  service,
  query,
  lookbackMs,
  limit,
}: ExportOptions): AsyncGenerator<Span[][]> {
  const startMs = Date.now() - lookbackMs;
  const seen = new Set<string>();
  // Traces of links whose clocks are ahead a little, too.
  let endMs = Date.now() + CLOCK_MARGIN_MS;
  while (seen.size < limit && endMs > startMs) {
    const parameters = new URLSearchParams({
      endTs: String(endMs),
      lookback: String(Math.ceil(endMs - startMs)),
      limit: String(Math.min(PAGE_TRACES, limit)),
      ...(service !== null && { serviceName: service }),
      ...(query !== null && { annotationQuery: query }),
    });
    const found = await getJson(from, `/api/v2/traces?${parameters}`);
    const fresh = found
      .filter(([span]) => span !== undefined && !seen.has(span.traceId))
      .slice(0, limit - seen.size);
    for (const [span] of fresh) seen.add((span as Span).traceId);
    yield fresh;
    if (found.length < PAGE_TRACES) return;
    const oldestMs = Math.min(...found.map(startOf)) / 1000;
    // A page of traces of one millisecond leads nowhere: the rest of that millisecond is passed over.
    endMs = Math.ceil(oldestMs) < endMs ? Math.ceil(oldestMs) : endMs - 1;
  }
}

const CLOCK_MARGIN_MS = 60_000;

function startOf(spans: readonly Span[]): number {
  return Math.min(...spans.map(({ timestamp = Infinity }) => timestamp));
}

function formatOtlp(spans: readonly Span[]): string {
  const byService = Map.groupBy(spans, (span) => span.localEndpoint?.serviceName ?? "");
  const scope = { name: "", version: "" };
  return [...byService]
    .map(
      ([name, some]) =>
        `${encodeOtlpJson(some.map(tagEndpoints), { attributes: { "service.name": name }, scope })}\n`,
    )
    .join("");
}

/** Sends the spans of a file of either format, `-` is standard input; its beginning says which. @throws {UserError} */
export async function importTraces(file: string, to: Endpoint): Promise<number> {
  const { text, name } = await readDocument(file);
  return text.trimStart().startsWith("{") ? importOtlp(name, text, to) : importZipkin(name, text, to);
}

async function importZipkin(file: string, text: string, to: Endpoint): Promise<number> {
  const list = parse(file, text, "a JSON list of spans, or lines of OTLP JSON");
  if (!Array.isArray(list)) throw unfit(file, "a JSON list of spans, or lines of OTLP JSON");
  // An answer of /api/v2/traces is a list of traces.
  const spans = list.flat() as unknown[];
  for (let start = 0; start < spans.length; start += BATCH_SPANS)
    await post(to, "/api/v2/spans", JSON.stringify(spans.slice(start, start + BATCH_SPANS)));
  return spans.length;
}

async function importOtlp(file: string, text: string, to: Endpoint): Promise<number> {
  let spans = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const request = parse(`${file}: line ${index + 1}`, line, "an object of OTLP JSON") as OtlpRequest;
    const scopes = (request.resourceSpans ?? []).flatMap(({ scopeSpans }) => scopeSpans ?? []);
    spans += scopes.reduce((sum, scope) => sum + (scope.spans?.length ?? 0), 0);
    await post(to, "/v1/traces", line);
  }
  return spans;
}

interface OtlpRequest {
  readonly resourceSpans?: readonly {
    readonly scopeSpans?: readonly { readonly spans?: readonly unknown[] }[];
  }[];
}

function parse(place: string, text: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unfit(place, expected, error);
  }
}

function unfit(place: string, expected: string, cause?: unknown): UserError {
  const found = cause === undefined ? "something else" : errorText(cause);
  return new UserError("data-invalid", `${place}: expected ${expected}, found ${found}`, undefined, {
    cause,
  });
}

async function getJson(from: Endpoint, path: string): Promise<Span[][]> {
  return (await (await send(from, path)).json()) as Span[][];
}

async function post(to: Endpoint, path: string, body: string): Promise<void> {
  await send(to, path, { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

async function send(endpoint: Endpoint, path: string, init?: RequestInit): Promise<Response> {
  const { origin } = new URL(endpoint.url);
  let response: Response;
  try {
    response = await fetchAs(endpoint)(apiUrl(endpoint.url, "spans", path), init);
  } catch (error) {
    throw new UserError(
      "collector-unreachable",
      `${origin} does not answer: ${errorText(error)}`,
      "Start one with `chain-link collector` or `chain-link up`, or give its address.",
      { cause: error },
    );
  }
  if (response.ok) return response;
  const text = (await response.text()).slice(0, 500);
  throw new UserError("collector-refused", `${origin} answers ${response.status}: ${text}`);
}
