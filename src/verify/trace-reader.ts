import { errorCode, errorText, UserError } from "../lib/errors.ts";
import type { SeenSpan } from "./seen-span.ts";

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
  /** The backend's own page of a trace; `null` where it has none that is known. */
  pageOf(traceId: string): string | null;
}

/** Waiting longer helps nobody: the next poll asks again. */
const READ_TIMEOUT_MS = 30_000;

/** One GET; `null` for 404. */
export async function getText(name: string, url: string, signal: AbortSignal): Promise<string | null> {
  const fail = (problem: string, cause?: unknown) =>
    new UserError(
      "backend-unreadable",
      `${name} cannot be read: ${problem}`,
      "Check --backend, and that the backend's query API is reached from here.",
      { cause },
    );
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      headers: { Accept: "application/json" },
      redirect: "follow",
      signal: AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]),
    });
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    throw fail(errorCode(error) ?? errorText(error), error);
  }
  if (response.status === 404) return null;
  if (!response.ok) throw fail(`${response.status} ${text.slice(0, 200).trim()}`);
  if (/^\s*</.test(text)) throw fail(`expected JSON at ${new URL(url).pathname}, found a web page`);
  return text;
}

/** @throws {UserError} `backend-unreadable` */
export function unreadable(name: string, problem: string, cause: unknown): UserError {
  return new UserError("backend-unreadable", `${name} cannot be read: ${problem}`, undefined, { cause });
}
