import type { DeployReporter } from "../../kubernetes/release/deployment.ts";
import type { RemoveOptions } from "../../kubernetes/release/operation.ts";
import type { Action } from "../../kubernetes/release/plan.ts";
import type { Revision } from "../../kubernetes/release/revision.ts";
import type { ReadinessTracker } from "../../kubernetes/release/tracker.ts";
import { LiveLines } from "../shell/live-lines.ts";
import type { Output } from "../shell/output.ts";
import { renderTable } from "../shell/table.ts";

const VERBS: Readonly<Record<Action, string>> = {
  create: "Created",
  change: "Updated",
  adopt: "Updated",
  replace: "Replaced",
  unchanged: "Unchanged",
};

/** Interval of progress lines without a terminal. */
const LOG_EVERY_MS = 10_000;
/** Maximum number of objects in the table. */
const MAX_ROWS = 12;

/** What a deploy changed, for `-o json`. */
interface ReleaseCounts {
  created: number;
  updated: number;
  unchanged: number;
  deleted: number;
}

type RemovalReporter = RemoveOptions["report"];

/** Joins the first three names. */
function nameSome(names: readonly string[]): string {
  return `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
}

/** Reports changes to a release: the original's log lines, and on a terminal a table of unready objects. */
export class ReleaseLog implements DeployReporter, RemovalReporter {
  readonly counts: ReleaseCounts = { created: 0, updated: 0, unchanged: 0, deleted: 0 };
  readonly #output: Output;
  readonly #namespace: string;
  #tracker: ReadinessTracker | null = null;
  #live: LiveLines | null = null;
  #lastLogMs = 0;
  #startedMs = 0;
  #ending: readonly string[] = [];

  constructor(output: Output, namespace: string) {
    this.#output = output;
    this.#namespace = namespace;
  }

  onNamespaceCreated(name: string): void {
    this.#say(`Created Namespace '${name}' in namespace '${name}'`);
  }

  onApplied(action: Action, kind: string, name: string): void {
    if (action === "create") this.counts.created += 1;
    else if (action === "unchanged") this.counts.unchanged += 1;
    else this.counts.updated += 1;
    this.#say(`${VERBS[action]} ${kind} '${name}' in namespace '${this.#namespace}'`);
  }

  onDeleted(kind: string, name: string): void {
    this.counts.deleted += 1;
    this.#say(`Deleted ${kind} '${name}' in namespace '${this.#namespace}'`);
  }

  onLockWait(holder: string, seconds: number): void {
    this.#output.warn(
      `The release is locked by ${holder}; waiting up to ${seconds} s for it to show activity`,
    );
  }

  onResume({ number }: Revision): void {
    this.#output.warn(`Revision ${number} was interrupted; resuming it`);
  }

  onReplan(): void {
    this.#output.warn("The release changed after planning; planning again");
  }

  onWait(tracker: ReadinessTracker): void {
    this.#tracker = tracker;
    this.#startedMs = this.#lastLogMs = performance.now();
    if (tracker.readyCount === tracker.size) return;
    this.#output.info(`Waiting for ${tracker.size - tracker.readyCount} objects to become ready...`);
    this.#beginLive(() => this.#render());
  }

  onProgress(tracker: ReadinessTracker): void {
    if (this.#live !== null) {
      this.#live.update();
      return;
    }
    if (performance.now() - this.#lastLogMs < LOG_EVERY_MS) return;
    this.#lastLogMs = performance.now();
    const [first] = tracker.listUnready();
    if (first === undefined) return;
    const why = first.trouble || first.readiness.message;
    this.#output.info(
      `${tracker.readyCount} of ${tracker.size} objects ready; ${first.kind} '${first.name}': ${why}`,
    );
  }

  onWaitEnd(): void {
    this.#live?.erase();
    this.#live = null;
  }

  onEnding(pods: readonly string[]): void {
    const isFirst = this.#ending.length === 0;
    this.#ending = pods;
    if (pods.length === 0) this.onWaitEnd();
    else if (isFirst) {
      this.#startedMs = this.#lastLogMs = performance.now();
      this.#output.info(`Waiting for ${pods.length} pods to terminate...`);
      this.#beginLive(() => this.#renderEnding());
    } else if (this.#live !== null) this.#live.update();
    else if (performance.now() - this.#lastLogMs >= LOG_EVERY_MS) {
      this.#lastLogMs = performance.now();
      this.#output.info(`${pods.length} pods are still terminating: ${nameSome(pods)}`);
    }
  }

  #beginLive(render: () => readonly string[]): void {
    if (!this.#output.isTerminal || this.#output.verbosity === "quiet") return;
    this.#live = new LiveLines(this.#output, render);
    this.#live.update();
  }

  #renderEnding(): string[] {
    const seconds = Math.round((performance.now() - this.#startedMs) / 1000);
    return [`${this.#ending.length} pods are still terminating, ${seconds} s: ${nameSome(this.#ending)}`];
  }

  #say(text: string): void {
    if (this.#live === null) this.#output.info(text);
    else this.#live.interject(() => this.#output.info(text));
  }

  #render(): string[] {
    const tracker = this.#tracker;
    if (tracker === null) return [];
    const unready = tracker.listUnready();
    const rows = unready
      .slice(0, MAX_ROWS)
      .map(({ kind, name, readiness, trouble }) => [kind, name, trouble || readiness.message]);
    const seconds = Math.round((performance.now() - this.#startedMs) / 1000);
    const head = `${tracker.readyCount} of ${tracker.size} objects ready, ${seconds} s`;
    if (unready.length === 0) return [head];
    const more = unready.length > MAX_ROWS ? [`… and ${unready.length - MAX_ROWS} more`] : [];
    const table = renderTable([{ title: "KIND" }, { title: "NAME" }, { title: "WAITING FOR" }], rows);
    return [head, "", ...table, ...more];
  }
}
