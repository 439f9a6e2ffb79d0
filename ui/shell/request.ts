import { noteServerDate } from "./clock.ts";

/** The answer of a server, or an explanation for the reader if there is none. */
export type Answer<T> =
  | { readonly kind: "ok"; readonly value: T; readonly bytes: number }
  | { readonly kind: "problem"; readonly status: number; readonly text: string };

const GONE = "The collector does not answer. Is chain-link still running?";

export async function readJson<T>(path: string, signal?: AbortSignal): Promise<Answer<T>> {
  try {
    const response = await fetch(path, signal ? { signal } : {});
    noteServerDate(response);
    const text = await response.text();
    if (!response.ok) return { kind: "problem", status: response.status, text: text || response.statusText };
    return { kind: "ok", value: JSON.parse(text) as T, bytes: text.length };
  } catch (error) {
    if (signal?.aborted) return { kind: "problem", status: 0, text: "" };
    return { kind: "problem", status: 0, text: error instanceof SyntaxError ? String(error) : GONE };
  }
}
