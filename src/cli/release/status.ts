import type { OverviewRow } from "../../kubernetes/release/overview.ts";
import type { Revision } from "../../kubernetes/release/revision.ts";
import { joinLines } from "../../lib/visible-text.ts";
import { CLUSTER_FLAGS, openRelease } from "../common/cluster-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { switchFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import { LiveLines } from "../shell/live-lines.ts";
import type { Output } from "../shell/output.ts";
import { type Column, renderTable } from "../shell/table.ts";

const COLUMNS: readonly Column[] = [
  { title: "LINK" },
  { title: "READY" },
  { title: "RESTARTS", align: "right" },
  { title: "IMAGE" },
  { title: "AGE" },
  { title: "STATUS" },
];

export const status = defineCommand({
  examples: [
    { line: "chain-link status", says: "show readiness, restarts, image, age and problems of each link" },
    { line: "chain-link status -n shop --watch", says: "keep the table up to date" },
  ],
  configFile: "reads",
  flags: {
    namespace: RELEASE_FLAGS.namespace,
    ...CLUSTER_FLAGS,
    watch: switchFlag({ summary: "Keep the table up to date until interrupted.", short: "w" }),
    output: outputFlag(["table", "json", "yaml"], "table", "Output format of the links."),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, output }) {
    const [{ readTracked }, { summarize }] = await Promise.all([
      import("../../kubernetes/release/inspection.ts"),
      import("../../kubernetes/release/overview.ts"),
    ]);
    const { store } = await openRelease(flags, output);
    let onChange = () => {};
    const { revisions, tracker } = await readTracked(store, () => onChange());
    const [current] = revisions;
    const head = describeHead(store.release, store.namespace, current);
    if (flags.watch && flags.output === "table") {
      const interruption = watchInterrupts();
      const live = new LiveLines(output, () => [head, "", ...renderRows(summarize(tracker))]);
      onChange = () => (output.isTerminal ? live.update() : undefined);
      const end = new AbortController();
      void interruption.signal.then(() => end.abort());
      const changes = output.isTerminal ? null : new ChangeLog(output);
      if (changes !== null) onChange = () => changes.tell(summarize(tracker));
      // Ages grow even when nothing changes.
      const clock = output.isTerminal ? setInterval(() => live.update(), 1000) : undefined;
      await tracker.watch(end.signal);
      clearInterval(clock);
      live.finish();
      return EXIT.interrupted;
    }
    await tracker.look(AbortSignal.timeout(120_000));
    const rows = summarize(tracker);
    if (flags.output === "table") {
      await output.result(joinLines([head, "", ...renderRows(rows)]));
      return EXIT.done;
    }
    const { renderData } = await import("../common/data-output.ts");
    const facts = {
      release: store.release,
      namespace: store.namespace,
      revision: current?.number ?? null,
      status: current?.status ?? "unknown",
      ...(current === undefined || current.reason === "" ? {} : { reason: current.reason }),
      links: rows.map((row) => ({ ...row })),
    };
    await output.result(renderData(flags.output, facts));
    return EXIT.done;
  },
});

/** Without a terminal, prints a line for each link whose state changed. */
class ChangeLog {
  readonly #output: Output;
  readonly #known = new Map<string, string>();

  constructor(output: Output) {
    this.#output = output;
  }

  tell(rows: readonly OverviewRow[]): void {
    for (const row of rows) {
      const text = `${row.name} ${row.ready}/${row.wanted} ${row.problem || "ready"}`;
      if (this.#known.get(row.name) === text) continue;
      this.#known.set(row.name, text);
      this.#output.line(text);
    }
  }
}

function describeHead(release: string, namespace: string, revision: Revision | undefined): string {
  const where = `release ${release} in namespace ${namespace}`;
  if (revision === undefined) return `${where}: no revision found`;
  const why = revision.reason === "" ? "" : ` (${revision.reason.slice(0, 200)})`;
  return `${where}: revision ${revision.number} is ${revision.status}${why}`;
}

function renderRows(rows: readonly OverviewRow[]): string[] {
  const nowMs = Date.now();
  return renderTable(
    COLUMNS,
    rows.map(({ name, ready, wanted, restarts, image, created, problem }) => [
      name,
      `${ready}/${wanted}`,
      String(restarts),
      image || "-",
      created === "" ? "-" : formatAge(nowMs - Date.parse(created)),
      problem || "ready",
    ]),
  );
}

/** Formats an age like kubectl: `45s`, `12m`, `5h`, `3d`. */
function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
