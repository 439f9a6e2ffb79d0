import type { Span } from "../trace/span.ts";

/** Maximum spans in one commit, which takes about 20 ms. */
const MAX_COMMIT_SPANS = 4000;

interface Waiting {
  readonly spans: readonly Span[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Coalesces all additions of one event-loop turn into a single commit, which costs hardly more than one of them alone.
 */
export class CommitQueue {
  readonly #commit: (batches: readonly (readonly Span[])[]) => void;
  #waiting: Waiting[] = [];

  constructor(commit: (batches: readonly (readonly Span[])[]) => void) {
    this.#commit = commit;
  }

  /** Resolves after the commit, or rejects with the error that the commit threw. */
  add(spans: readonly Span[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ spans, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#commitSome());
    });
  }

  /** Commits everything that waits, without returning to the event loop. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commitSome();
  }

  #commitSome(): void {
    let count = 0;
    for (let spans = 0; count < this.#waiting.length && spans < MAX_COMMIT_SPANS; count++)
      spans += this.#waiting[count]?.spans.length ?? 0;
    const batches = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    if (batches.length === 0) return;
    if (this.#waiting.length > 0) setImmediate(() => this.#commitSome());
    try {
      this.#commit(batches.map((batch) => batch.spans));
      for (const { resolve } of batches) resolve();
    } catch (error) {
      for (const { reject } of batches) reject(error);
    }
  }
}
