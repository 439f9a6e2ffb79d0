import { joinLines } from "../../lib/visible-text.ts";
import type { LoadResults } from "../../load/results.ts";
import type { LocalChain } from "../../local/local-chain.ts";
import type { Topology } from "../../topology/model.ts";
import type { Output } from "../shell/output.ts";
import { type Column, renderTable } from "../shell/table.ts";

interface LiveTableOptions {
  readonly output: Output;
  readonly topology: Topology;
  readonly chain: LocalChain;
  readonly page: string | null;
  readonly collectorUrl: string;
}

const REFRESH_MS = 1000;
/** Number of links listed without a terminal, or when its height is unknown. */
const DEFAULT_ROWS = 20;
/** Terminal lines reserved for the text above and below the table. */
const RESERVED_ROWS = 9;

const COLUMNS: readonly Column[] = [
  { title: "LINK" },
  { title: "URL" },
  { title: "REQUESTS", align: "right" },
  { title: "ERRORS", align: "right" },
  { title: "P50", align: "right" },
  { title: "P99", align: "right" },
];

/** Shows a running chain to a person: addresses, and a table of links that is kept up to date. */
export class LiveTable {
  readonly #options: LiveTableOptions;
  #load: LoadResults | null = null;
  #timer: Timer | undefined;
  #drawnLines = 0;

  constructor(options: LiveTableOptions) {
    this.#options = options;
  }

  /** Prints addresses; on a terminal, then draws the table and keeps it up to date. */
  start(): void {
    const { output, topology, chain, page, collectorUrl } = this.#options;
    const count = chain.links.length === 1 ? "1 link" : `${chain.links.length} links`;
    output.note(`${output.style("bold", topology.name)}: ${count} up\n`);
    if (page !== null) output.note(`  page    ${output.style("cyan", page)}`);
    else output.note(`  spans   ${output.style("cyan", collectorUrl)}`);
    output.note(`  entry   ${output.style("cyan", `${chain.entryUrl}/`)}`);
    const slow = topology.services.get(topology.entry)?.behavior.slow;
    if (slow) {
      const share = `1 in ${Math.round(1 / slow.probability)} requests`;
      output.note(
        `  slow    each link waits ${slow.delayMs / 1000} s in ${share}, as in the original; --slow off turns that off`,
      );
    }
    output.note("");
    if (!output.isTerminal) {
      for (const line of this.#linkLines()) output.note(line);
      return;
    }
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
  }

  showLoad(results: LoadResults): void {
    this.#load = results;
  }

  /** Writes a line above the table. */
  interject(line: string): void {
    this.#erase();
    this.#options.output.logLine(line);
    if (this.#timer !== undefined) this.#draw();
  }

  /** Draws one last time. */
  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
  }

  #draw(): void {
    const { output } = this.#options;
    if (output.verbosity === "quiet") return;
    const lines = [...this.#linkLines(), "", this.#statusLine()];
    const width = process.stderr.columns || 80;
    const shown = lines.map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line));
    this.#erase();
    output.print(joinLines(shown.map((line, index) => (index === 0 ? output.style("bold", line) : line))));
    this.#drawnLines = shown.length;
  }

  /** Moves back to where the table began and clears everything below. */
  #erase(): void {
    this.#options.output.eraseLines(this.#drawnLines);
    this.#drawnLines = 0;
  }

  #statusLine(): string {
    const load = this.#load;
    if (load === null) return "no load; press Ctrl-C to stop";
    return `load: ${load.sent} sent, ${load.failed} failed; press Ctrl-C to stop`;
  }

  #linkLines(): string[] {
    const { output, chain } = this.#options;
    const height = output.isTerminal ? (process.stderr.rows || 0) - RESERVED_ROWS : DEFAULT_ROWS;
    const limit = Math.max(1, height > 0 ? height : DEFAULT_ROWS);
    const { links } = chain;
    const shown = links.length > limit ? links.slice(0, limit - 1) : links;
    // Without a terminal the list is printed only once, when all numbers are zero.
    const columns = output.isTerminal ? COLUMNS : COLUMNS.slice(0, 2);
    const rows = shown.map((link) => {
      const { name, url } = link;
      if (!output.isTerminal) return [name, url];
      return [name, url, ...formatNumbers(link.snapshot())];
    });
    const lines = renderTable(columns, rows);
    if (shown.length < links.length)
      lines.push(`… and ${links.length - shown.length} more ('-o json' lists all)`);
    return lines;
  }
}

function formatNumbers(snapshot: ReturnType<LocalChain["links"][number]["snapshot"]>): string[] {
  const { requests, errors, p50Ms, p99Ms } = snapshot;
  const time = (ms: number) => (requests === 0 ? "-" : formatMs(ms));
  return [String(requests), String(errors), time(p50Ms), time(p99Ms)];
}

/** Three significant digits with a suitable unit. */
function formatMs(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}
