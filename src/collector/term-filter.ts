import { finish, mix } from "../trace/murmur.ts";
import type { Dictionary } from "./dictionary.ts";
import type { TraceQuery } from "./store.ts";

/** Kinds of search terms. A term is the hash of a kind, the service or 0, and up to two texts. */
const SERVICE = 1;
const SPAN_NAME = 2;
const REMOTE_SERVICE = 3;
/** A tag's key or an annotation's value. */
const KEY = 4;
const KEY_AND_VALUE = 5;

const WORDS = 1024;
const BITS_MASK = WORDS * 32 - 1;

/** Spans per filter. At this fill, the false-positive rate is a few percent. */
export const SPANS_PER_FILTER = 1000;

/**
 * A Bloom filter of all terms of about {@link SPANS_PER_FILTER} spans: 4 bytes a span instead of index rows for each of
 * its tags. A search for something rare skips nearly all filters, one for something frequent ends after few traces.
 */
export class TermFilter {
  readonly #bits = new Int32Array(WORDS);
  spans = 0;

  addService(service: number): void {
    this.#add(termOf(SERVICE, service, 0, 0));
  }

  addSpanName(service: number, name: number): void {
    this.#addBoth(SPAN_NAME, service, name, 0);
  }

  addRemoteService(service: number, name: number): void {
    this.#addBoth(REMOTE_SERVICE, service, name, 0);
  }

  addKey(service: number, key: number): void {
    this.#addBoth(KEY, service, key, 0);
  }

  addTag(service: number, key: number, value: number): void {
    this.#addBoth(KEY, service, key, 0);
    this.#addBoth(KEY_AND_VALUE, service, key, value);
  }

  /** Returns false when no trace in the filter has all terms; true when one may. */
  mayHave(terms: readonly number[]): boolean {
    return terms.every((term) => this.#has(term & BITS_MASK) && this.#has((term >>> 16) & BITS_MASK));
  }

  /** Adds the term with its service and without one, because a query may omit the service. */
  #addBoth(kind: number, service: number, text: number, value: number): void {
    this.#add(termOf(kind, 0, text, value));
    if (service !== 0) this.#add(termOf(kind, service, text, value));
  }

  #add(term: number): void {
    this.#set(term & BITS_MASK);
    this.#set((term >>> 16) & BITS_MASK);
  }

  #set(bit: number): void {
    this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) | (1 << (bit & 31));
  }

  #has(bit: number): boolean {
    return ((this.#bits[bit >>> 5] as number) & (1 << (bit & 31))) !== 0;
  }
}

/** The terms that every match of a query has. */
export function termsOf(query: TraceQuery, dictionary: Dictionary): number[] {
  const hash = (text: string) => {
    dictionary.hash(text);
    return dictionary.high;
  };
  const service = query.serviceName === undefined ? 0 : hash(query.serviceName);
  const terms: number[] = [];
  if (query.serviceName !== undefined) terms.push(termOf(SERVICE, service, 0, 0));
  if (query.spanName !== undefined) terms.push(termOf(SPAN_NAME, service, hash(query.spanName), 0));
  if (query.remoteServiceName !== undefined)
    terms.push(termOf(REMOTE_SERVICE, service, hash(query.remoteServiceName), 0));
  for (const [key, value] of query.annotationQuery ?? [])
    terms.push(
      value === ""
        ? termOf(KEY, service, hash(key), 0)
        : termOf(KEY_AND_VALUE, service, hash(key), hash(value)),
    );
  return terms;
}

function termOf(kind: number, service: number, text: number, value: number): number {
  return finish(mix(mix(mix(kind, service), text), value));
}
