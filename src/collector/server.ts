import { listenError, listenerUrl } from "../lib/listener.ts";
import { VERSION } from "../lib/version.ts";
import { Access, type AllowedOrigins } from "./access.ts";
import { type ApiParts, answer } from "./api.ts";
import { CollectorMetrics } from "./collector-metrics.ts";
import type { ControlDesk } from "./control-desk.ts";
import { LiveRecorder } from "./live-recorder.ts";
import { type Listener, listenForOtlp } from "./otlp-server.ts";
import type { RunProof } from "./proof.ts";
import { respondWellFormed } from "./request-form.ts";
import { addSecurityHeaders } from "./security-headers.ts";
import { SpanStore, type SpanStoreOptions } from "./span-store.ts";
import type { TraceStore } from "./store.ts";
import { DEFAULT_LOOKBACK_MS } from "./trace-query.ts";

export interface CollectorOptions extends SpanStoreOptions {
  /** The address to listen on. */
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** A second port, where OTLP exporters look for it (4318). */
  readonly otlpPort?: number | undefined;
  /** Told of each gRPC client that comes to the second port, which takes OTLP over HTTP alone. */
  readonly onGrpc?: (() => void) | undefined;
  /** The share of traces that is kept, 0 to 1. @default 1 */
  readonly sampleRate?: number | undefined;
  /** Whether traces are found otherwise than by id. @default true */
  readonly isSearchable?: boolean | undefined;
  /** The window of a query that gives none, milliseconds. @default DEFAULT_LOOKBACK_MS */
  readonly lookbackMs?: number | undefined;
  /** Ledgers of the requests whose spans arrive. @default no ledgers */
  readonly proof?: (() => RunProof | null) | undefined;
  /** Pages of which other origins may use it. @default DEFAULT_ORIGINS */
  readonly allowedOrigins?: AllowedOrigins | undefined;
  /** Load and faults that its page can change. @default nothing to control */
  readonly control?: ControlDesk | undefined;
}

export interface Collector {
  /** Without a trailing slash; loopback when it listens on all addresses. */
  readonly url: string;
  readonly port: number;
  /** Where it takes OTLP, too; `null` when there is no second port. */
  readonly otlpUrl: string | null;
  readonly store: TraceStore;
  /** Refuses new connections, lets requests in flight finish for a second, then closes what is left. */
  stop(): Promise<void>;
}

/** Longer than the pauses of exporters that send every few seconds, so that no batch meets a closing connection. */
const IDLE_TIMEOUT_SECONDS = 120;

/** How often expired traces are removed when no spans arrive. */
const EXPIRY_MS = 10_000;

const STOP_TIMEOUT_MS = 1000;

/**
 * Starts the trace collector: Zipkin v2 in, Zipkin's queries and the web page out.
 * @throws {UserError} `port-busy` when the address cannot be bound; what `SpanStore` throws.
 */
export function startCollector(options: CollectorOptions): Collector {
  const { host, port } = options;
  const store = new SpanStore(options);
  const proof = () => options.proof?.() ?? null;
  const live = new LiveRecorder(
    () => store.counts(),
    Date.now,
    () => proof()?.totals(),
  );
  const parts: ApiParts = {
    store,
    get proof() {
      return proof();
    },
    live,
    metrics: new CollectorMetrics(),
    sampleRate: options.sampleRate ?? 1,
    isSearchable: options.isSearchable ?? true,
    lookbackMs: options.lookbackMs ?? DEFAULT_LOOKBACK_MS,
    autocompleteKeys: options.autocompleteKeys ?? [],
    version: VERSION,
    startedAt: new Date(),
    control: options.control ?? null,
    access: new Access(host, options.allowedOrigins),
  };
  const respond = (request: Request) => answer(request, parts);
  const listeners: Listener[] = [];
  try {
    listeners.push(listen(host, port, "--port", respond));
    if (options.otlpPort !== undefined)
      listeners.push(listenForGrpc(host, options.otlpPort, respond, options.onGrpc ?? (() => {})));
  } catch (error) {
    for (const listener of listeners) void listener.stop(true);
    store.close();
    throw error;
  }
  const [server, otlpServer] = listeners as [Listener, Listener | undefined];
  const expiry = setInterval(() => store.expire(), EXPIRY_MS);
  expiry.unref();
  const urlOf = ({ port: actual }: Listener) => listenerUrl(host, actual);
  return {
    url: urlOf(server),
    port: server.port,
    otlpUrl: otlpServer === undefined ? null : urlOf(otlpServer),
    store,
    async stop() {
      await Promise.all(listeners.map(stopListener));
      clearInterval(expiry);
      options.control?.close();
      store.close();
    },
  };
}

async function stopListener(listener: Listener): Promise<void> {
  const closed = listener.stop();
  await Promise.race([closed, untilIdle(listener)]);
  await listener.stop(true);
}

/** @throws {UserError} `port-busy` */
function listenForGrpc(
  host: string,
  port: number,
  respond: (request: Request) => Promise<Response>,
  onGrpc: () => void,
): Listener {
  try {
    return listenForOtlp(host, port, (request) => respondSafely(request, respond), onGrpc);
  } catch (error) {
    throw listenError(host, port, "--otlp-port", error);
  }
}

async function respondSafely(
  request: Request,
  respond: (request: Request) => Promise<Response>,
): Promise<Response> {
  const response = await respondWellFormed(request, respond);
  addSecurityHeaders(response.headers);
  return response;
}

/**
 * @param flag the flag that sets the port
 * @throws {UserError} `port-busy`
 */
export function listen(
  host: string,
  port: number,
  flag: string,
  respond: (request: Request) => Promise<Response>,
): Listener {
  try {
    return Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      // The API has its own limit and answers with an explanation.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      // Without this, `development: false` lets a second server share the port, and spans would reach either.
      reusePort: false,
      fetch: (request, server) => {
        // A stream may be silent for longer than the idle timeout of other connections.
        if (request.url.endsWith("/api/live")) server.timeout(request, 0);
        return respondSafely(request, respond);
      },
    }) as Bun.Server<undefined> & { readonly port: number };
  } catch (error) {
    throw listenError(host, port, flag, error);
  }
}

async function untilIdle(listener: Listener): Promise<void> {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (listener.pendingRequests > 0 && Date.now() < deadline) await Bun.sleep(5);
}
