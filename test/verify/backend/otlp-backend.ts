import type { Span } from "../../../src/trace/span.ts";
import type { ReadBackend } from "./reader-contract.ts";

const KINDS = { SERVER: 2, CLIENT: 3, PRODUCER: 4, CONSUMER: 5 } as const;

interface Dialect {
  readonly tracePath: string;
  readonly wrap: (resourceSpans: readonly object[]) => object;
  readonly encodeId: (hex: string) => string;
  readonly encodeKind: (kind: keyof typeof KINDS) => string | number;
  /** Answers the paths beside that of a trace; `null` for 404. */
  readonly search: (url: URL, spans: readonly Span[]) => object | null;
}

/** How Jaeger v2 and Tempo document their answers: `/api/v3/traces/{id}` and `/api/v2/traces/{id}`. */
const DIALECTS = {
  jaeger: {
    tracePath: "/api/v3/traces/",
    wrap: (resourceSpans) => ({ result: { resourceSpans } }),
    encodeId: (hex) => hex,
    encodeKind: (kind) => KINDS[kind],
    search: searchJaeger,
  },
  tempo: {
    tracePath: "/api/v2/traces/",
    wrap: (resourceSpans) => ({ trace: { resourceSpans }, metrics: {} }),
    encodeId: (hex) => Buffer.from(hex, "hex").toString("base64"),
    encodeKind: (kind) => `SPAN_KIND_${kind}`,
    search: () => null,
  },
} as const satisfies Readonly<Record<string, Dialect>>;

/** Starts a server that keeps spans and answers as Jaeger or Tempo would. */
export function startOtlpBackend(kind: keyof typeof DIALECTS): ReadBackend {
  const dialect: Dialect = DIALECTS[kind];
  const stored: Span[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request): Response {
      const url = new URL(request.url);
      const isTrace = url.pathname.startsWith(dialect.tracePath);
      const id = url.pathname.slice(dialect.tracePath.length);
      const spans = isTrace ? stored.filter(({ traceId }) => traceId === id) : [];
      const found = isTrace && spans.length > 0 ? encodeTraces(dialect, spans) : dialect.search(url, stored);
      return found === null
        ? Response.json({ error: { httpCode: 404 } }, { status: 404 })
        : Response.json(found);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    store: async (spans) => void stored.push(...spans),
    stop: () => server.stop(true),
  };
}

function searchJaeger({ pathname, searchParams }: URL, spans: readonly Span[]): object | null {
  const serviceOf = (span: Span) => span.localEndpoint?.serviceName ?? "";
  if (pathname === "/api/v3/services") return { services: [...new Set(spans.map(serviceOf))] };
  if (pathname !== "/api/v3/traces") return null;
  const asked = (name: string) => searchParams.get(`query.${name}`) ?? "";
  const isFound = (span: Span) =>
    serviceOf(span).toLowerCase() === asked("service_name") &&
    (span.timestamp ?? 0) >= Date.parse(asked("start_time_min")) * 1000 &&
    (span.timestamp ?? 0) <= Date.parse(asked("start_time_max")) * 1000;
  const ids = [...new Set(spans.filter(isFound).map(({ traceId }) => traceId))];
  const listed = ids.slice(0, Number(asked("search_depth")));
  return encodeTraces(
    DIALECTS.jaeger,
    spans.filter(({ traceId }) => listed.includes(traceId)),
  );
}

function encodeTraces({ wrap, encodeId, encodeKind }: Dialect, spans: readonly Span[]): object {
  return wrap(
    spans.map(({ traceId, id, parentId, kind, timestamp = 0, duration = 0, tags = {}, ...span }) => ({
      resource: { attributes: encodeAttributes({ "service.name": span.localEndpoint?.serviceName ?? "" }) },
      scopeSpans: [
        {
          spans: [
            {
              traceId: encodeId(traceId),
              spanId: encodeId(id),
              ...(parentId === undefined ? {} : { parentSpanId: encodeId(parentId) }),
              ...(kind === undefined ? {} : { kind: encodeKind(kind) }),
              startTimeUnixNano: `${timestamp}000`,
              endTimeUnixNano: `${timestamp + duration}000`,
              attributes: encodeAttributes({
                "server.address": span.remoteEndpoint?.serviceName ?? "",
                ...tags,
              }),
            },
          ],
        },
      ],
    })),
  );
}

/** Numbers are integers in OTLP, which JSON holds as text. */
function encodeAttributes(tags: Readonly<Record<string, string>>): object[] {
  return Object.entries(tags).map(([key, text]) => ({
    key,
    value: /^\d+$/.test(text) ? { intValue: text } : { stringValue: text },
  }));
}
