import type { Link } from "../link/link.ts";
import type { LinkFault } from "../link/link-fault.ts";
import { EMPTY_SNAPSHOT, type LinkSnapshot, snapshotLink } from "./snapshot.ts";

/** Time for a stopped link to answer requests and to send its spans. */
const STOP_GRACE_MS = 1000;

/** A link that can be stopped and restarted at the same address; its counters continue. */
export class RestartableLink {
  readonly name: string;
  readonly url: string;
  readonly #start: (port: number) => Link;
  #link: Link;
  #isStopped = false;
  /** Totals of the stopped links. */
  #before: LinkSnapshot = EMPTY_SNAPSHOT;
  /** Changes are made one after the other. */
  #changing: Promise<void> = Promise.resolve();

  constructor(start: (port: number) => Link, port: number) {
    this.#start = start;
    this.#link = start(port);
    this.name = this.#link.name;
    this.url = this.#link.url;
  }

  snapshot(): LinkSnapshot {
    const now = this.#isStopped ? EMPTY_SNAPSHOT : snapshotLink(this.#link);
    return this.#isStopped ? this.#before : addCounts(this.#before, now);
  }

  /** @throws {UserError} `port-busy` if another process has taken the port of a stopped link */
  setFault(fault: LinkFault): Promise<void> {
    const change = this.#changing.then(() => this.#change(fault));
    this.#changing = change.catch(() => {});
    return change;
  }

  async stop(options: { readonly drainMs: number; readonly graceMs: number }): Promise<void> {
    await this.#changing;
    await this.#link.stop(options);
  }

  async #change(fault: LinkFault): Promise<void> {
    if (fault.isStopped && !this.#isStopped) {
      await this.#link.stop({ drainMs: 0, graceMs: STOP_GRACE_MS });
      this.#before = addCounts(this.#before, snapshotLink(this.#link));
      this.#isStopped = true;
    } else if (!fault.isStopped && this.#isStopped) {
      this.#link = this.#start(Number(new URL(this.url).port));
      this.#isStopped = false;
    }
    if (!this.#isStopped) this.#link.applyFault(fault);
  }
}

/** Durations are those of `now`. */
function addCounts(before: LinkSnapshot, now: LinkSnapshot): LinkSnapshot {
  return {
    ...(now.requests > 0 ? now : before),
    requests: before.requests + now.requests,
    errors: before.errors + now.errors,
    spansSent: before.spansSent + now.spansSent,
    spansQueued: before.spansQueued + now.spansQueued,
    spansDropped: addEach(before.spansDropped, now.spansDropped),
  };
}

function addEach<K extends string>(a: Readonly<Record<K, number>>, b: Readonly<Record<K, number>>) {
  const keys = Object.keys(a) as K[];
  return Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as Record<K, number>;
}
