import type { StoreCounts } from "../contract/collector-counts.ts";
import type { LiveNumbers, LiveSecond } from "../contract/live.ts";
import type { ProofTotals } from "../contract/proof.ts";
import type { Span } from "../trace/span.ts";

/** Seconds of history that a new listener gets. */
const HISTORY_SECONDS = 120;

/** Maximum size of that history as JSON. One second of 1,000 links takes 170 KB. */
const HISTORY_CHARACTERS = 8 * 1024 * 1024;

/** How long a second stays open for late spans. Links send once a second. */
const OPEN_SECONDS = 2;

/** Maximum durations kept per service or edge and second. Above it, a random sample is kept. */
const MAX_SAMPLES = 512;

/** Maximum services and edges per second, so that invented names cannot fill the memory. */
const MAX_KEYS = 10_000;

/**
 * Counts what the collector accepts, second by second. Arriving spans and listeners close past seconds, so there is no
 * timer while nobody listens; and numbers stay when the spans that made them are evicted.
 */
export class LiveRecorder {
  readonly #counts: () => StoreCounts;
  readonly #now: () => number;
  readonly #proof: () => ProofTotals | undefined;
  readonly #open = new Map<number, OpenSecond>();
  readonly #history: string[] = [];
  readonly #listeners = new Set<(json: string) => void>();
  #historyCharacters = 0;
  /** The first open second, in seconds since 1970. */
  #next: number;

  constructor(
    counts: () => StoreCounts,
    now: () => number = Date.now,
    proof: () => ProofTotals | undefined = () => undefined,
  ) {
    this.#counts = counts;
    this.#proof = proof;
    this.#now = now;
    this.#next = this.#current() - OPEN_SECONDS;
  }

  /** Counts spans that were stored. */
  record(spans: readonly Span[]): void {
    const current = this.#current();
    this.#closeUntil(current - OPEN_SECONDS);
    this.#secondOf(current).accepted += spans.length;
    for (const span of spans) {
      const { kind, localEndpoint } = span;
      const service = localEndpoint?.serviceName;
      if (service === undefined || (kind !== "SERVER" && kind !== "CLIENT")) continue;
      const second = this.#secondOf(Math.floor(((span.timestamp ?? 0) + (span.duration ?? 0)) / 1e6));
      if (kind === "SERVER") second.addService(service, span);
      else if (span.remoteEndpoint?.serviceName !== undefined)
        second.addEdge(service, span.remoteEndpoint.serviceName, span);
    }
  }

  /** Counts spans that were refused. */
  recordDropped(count: number): void {
    this.#closeUntil(this.#current() - OPEN_SECONDS);
    this.#secondOf(this.#current()).dropped += count;
  }

  /** The history, oldest first, each second as the JSON of a {@link LiveSecond}. */
  history(): readonly string[] {
    this.#closeUntil(this.#current() - OPEN_SECONDS);
    return this.#history;
  }

  /** Calls the listener with the JSON of each future {@link LiveSecond}, until the returned function is called. */
  listen(listener: (json: string) => void): () => void {
    this.#closeUntil(this.#current() - OPEN_SECONDS);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends completed seconds to the listeners. Call it once a second while there are listeners. */
  tick(): void {
    this.#closeUntil(this.#current() - OPEN_SECONDS);
  }

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  #current(): number {
    return Math.floor(this.#now() / 1000);
  }

  /** Returns an open second: the span's own, or the nearest open one when the span is late or its clock is off. */
  #secondOf(wanted: number): OpenSecond {
    const second = Math.min(Math.max(wanted, this.#next), Math.max(this.#current(), this.#next));
    let open = this.#open.get(second);
    if (open === undefined) {
      open = new OpenSecond();
      this.#open.set(second, open);
    }
    return open;
  }

  #closeUntil(end: number): void {
    // After an idle time, thousands of empty seconds are of no use.
    this.#next = Math.max(this.#next, end - HISTORY_SECONDS);
    for (; this.#next < end; this.#next++) this.#close(this.#next);
    for (const second of this.#open.keys()) if (second < this.#next) this.#open.delete(second);
  }

  #close(second: number): void {
    const { spans, evictedSpans } = this.#counts();
    const open = this.#open.get(second) ?? new OpenSecond();
    this.#open.delete(second);
    const proof = this.#proof();
    const numbers = open.summarize(second * 1000, spans, evictedSpans);
    const json = JSON.stringify(proof === undefined ? numbers : { ...numbers, proof });
    this.#history.push(json);
    this.#historyCharacters += json.length;
    while (this.#history.length > HISTORY_SECONDS || this.#historyCharacters > HISTORY_CHARACTERS)
      this.#historyCharacters -= this.#history.shift()?.length ?? 0;
    for (const listener of this.#listeners) listener(json);
  }
}

interface Tally {
  requests: number;
  errors: number;
  readonly samples: number[];
}

class OpenSecond {
  accepted = 0;
  dropped = 0;
  #keys = 0;
  readonly #services = new Map<string, Tally>();
  readonly #edges = new Map<string, Map<string, Tally>>();

  addService(name: string, span: Span): void {
    this.#add(this.#services, name, span);
  }

  addEdge(from: string, to: string, span: Span): void {
    let edges = this.#edges.get(from);
    if (edges === undefined) {
      if (this.#keys >= MAX_KEYS) return;
      edges = new Map();
      this.#edges.set(from, edges);
    }
    this.#add(edges, to, span);
  }

  #add(tallies: Map<string, Tally>, key: string, { tags, duration = 0 }: Span): void {
    let tally = tallies.get(key);
    if (tally === undefined) {
      if (this.#keys >= MAX_KEYS) return;
      this.#keys++;
      tally = { requests: 0, errors: 0, samples: [] };
      tallies.set(key, tally);
    }
    tally.requests++;
    if (tags !== undefined && Object.hasOwn(tags, "error")) tally.errors++;
    if (tally.samples.length < MAX_SAMPLES) tally.samples.push(duration);
    else {
      const place = Math.floor(Math.random() * tally.requests);
      if (place < MAX_SAMPLES) tally.samples[place] = duration;
    }
  }

  summarize(time: number, held: number, evicted: number): LiveSecond {
    const services = [...this.#services].map(([name, tally]) => ({ name, ...summarizeTally(tally) }));
    const edges = [...this.#edges].flatMap(([from, tallies]) =>
      [...tallies].map(([to, tally]) => ({ from, to, ...summarizeTally(tally) })),
    );
    const spans = { accepted: this.accepted, dropped: this.dropped, held, evicted };
    return { time, services, edges, spans };
  }
}

function summarizeTally({ requests, errors, samples }: Tally): LiveNumbers {
  samples.sort((a, b) => a - b);
  const quantile = (q: number) => samples[Math.max(0, Math.ceil(q * samples.length) - 1)] ?? 0;
  return { requests, errors, p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99) };
}
