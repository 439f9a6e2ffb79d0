import { AnswerTooLargeError, readBody } from "../../lib/bounded-body.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import type { SeenSpan } from "../judge/seen-span.ts";

/** Reads traces out of a tracing backend. */
export interface TraceReader {
  /** What the backend is, and where. */
  readonly name: string;
  /** Most trace ids that {@link read} takes at a time. */
  readonly batchSize: number;
  /**
   * The spans of the traces that are there, by trace id, all of 32 digits.
   * @throws {UserError} `backend-unreadable`
   */
  read(traceIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly SeenSpan[]>>;
  /**
   * Records of `run-ledger.ts`, computed from what is stored, for requests of a run from the number `from` on, in their order. `null` where
   * the backend cannot do that.
   */
  readLedgers?(run: string, from: number, limit: number, signal: AbortSignal): Promise<DataView | null>;
  /** Such records, with nothing but the number of copies as `unknown`, for requests with spans that came more than once and were kept once. */
  readCopies?(run: string, from: number, limit: number, signal: AbortSignal): Promise<DataView | null>;
  /** The names, in lower case, of all services that the backend knows; absent where it cannot be asked. */
  readonly readServices?: ((signal: AbortSignal) => Promise<readonly string[]>) | undefined;
  /**
   * Traces with spans of a service, by their ids of 32 digits; absent where the backend cannot be asked.
   * @throws {UserError} `backend-unreadable`
   */
  readonly findTraces?:
    | ((search: TraceSearch, signal: AbortSignal) => Promise<ReadonlyMap<string, readonly SeenSpan[]>>)
    | undefined;
  /** Whether traces were found by the low half of their ids only. @default false */
  readonly hasCutIds?: boolean;
  /** The backend's own page of a trace; `null` where it has none that is known. */
  pageOf(traceId: string): string | null;
}

/** Times in milliseconds since 1970. */
export interface TraceSearch {
  readonly service: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Most traces that are wanted. */
  readonly limit: number;
}

/** How a GET is made: what is in a cluster is asked through its API server. `fetch` is one. */
export type Fetch = (
  url: string,
  init: { readonly headers?: Record<string, string>; readonly signal: AbortSignal },
) => Promise<Response>;

/** How ingresses and gateways answer for paths that they do not route: a web page, ingress-nginx, Traefik. */
const ROUTER_404 = /^\s*(<|default backend|404 page not found)/i;
const NOT_THERE = "something before it answers 404";

/** The error for a backend that does not have a path which every backend of its kind has. */
export function notThere(name: string): UserError {
  return unreadable(name, NOT_THERE, undefined);
}

/** Waiting longer helps nobody: the next poll asks again. */
const READ_TIMEOUT_MS = 30_000;

/** The text of one GET; `null` for 404. */
export async function getText(
  name: string,
  url: string,
  signal: AbortSignal,
  through: Fetch = fetch,
): Promise<string | null> {
  const bytes = await getBytes(name, url, signal, through);
  if (bytes === null) return null;
  const text = new TextDecoder().decode(bytes);
  if (/^\s*</.test(text)) {
    throw unreadable(name, `expected JSON at ${new URL(url).pathname}, found a web page`, undefined);
  }
  return text;
}

/** The body of one GET; `null` for 404. */
export async function getBytes(
  name: string,
  url: string,
  signal: AbortSignal,
  through: Fetch = fetch,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const fail = (problem: string, cause?: unknown) =>
    new UserError(
      "backend-unreadable",
      `${name} cannot be read: ${problem}`,
      cause instanceof AnswerTooLargeError
        ? "A trace of this size cannot be compared with its ledger; send requests through fewer services."
        : "Check --backend, and that its query API can be reached from here.",
      { cause },
    );
  let response: Response;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    response = await through(url, {
      headers: { Accept: "application/json, application/octet-stream" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]),
    });
    bytes = await readBody(response);
  } catch (error) {
    signal.throwIfAborted();
    throw fail(errorText(error), error);
  }
  if (response.status === 404) {
    if (ROUTER_404.test(new TextDecoder().decode(bytes.subarray(0, 200)))) throw fail(NOT_THERE);
    return null;
  }
  if (response.ok) return bytes;
  throw fail(`${response.status} ${new TextDecoder().decode(bytes).slice(0, 200).trim()}`);
}

/** Whether an error says that an answer was too large: fewer traces at a time may be readable. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof UserError && error.cause instanceof AnswerTooLargeError;
}

/** @throws {UserError} `backend-unreadable` */
export function unreadable(name: string, problem: string, cause: unknown): UserError {
  return new UserError("backend-unreadable", `${name} cannot be read: ${problem}`, undefined, { cause });
}

/** Whether the error says that the backend cannot be read now; it may be there again later. */
export function isAway(error: unknown): boolean {
  return error instanceof UserError && error.code === "backend-unreadable";
}

/** Of a trace id of 32 digits. */
export function lowHalf(id: string): string {
  return id.slice(-16);
}

/**
 * Whoever answers with nothing but traces that were not asked for is no backend of ours: that ours are not there would prove nothing.
 * @throws {UserError} `backend-unreadable`
 */
export function checkAsked(name: string, asked: readonly string[], found: Iterable<string>): void {
  // Backends that take ids of 64 bits may give back the low half alone.
  const halves = new Set(asked.map(lowHalf));
  const others = [...found];
  if (others.length === 0 || others.some((id) => halves.has(lowHalf(id)))) return;
  throw unreadable(name, `it returned traces that were not requested, such as ${others[0]}`, undefined);
}
