import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

const PAGE = join(import.meta.dir, "../docs/performance.md");

/** Replaces what stands in `docs/performance.md` between `<!-- NAME -->` and `<!-- /NAME -->`. */
export function writePage(name: string, lines: readonly string[]): void {
  const text = readFileSync(PAGE, "utf8");
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  assert.ok(from !== -1 && to > from, `${PAGE} has no place for ${name}`);
  writeFileSync(PAGE, `${text.slice(0, from)}${start}${lines.join("\n")}\n${text.slice(to)}`);
}

/** A table of Markdown whose columns stand below each other; numbers to the right. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = head.map((_, column) => rows.every((row) => /^[\d,.–]*$/.test(row[column] ?? "")));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => pad(cell, widths[column] ?? 0, isNumber[column] === true)).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    isNumber[column] ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2),
  );
  return [line(head), `|${rule.join("|")}|`, ...rows.map(line)];
}

function pad(cell: string, width: number, isNumber: boolean): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

/** What a figure was measured on. */
export function describeMachine(): string {
  const processors = cpus();
  const { platform, arch } = process;
  return `${processors.length} × ${processors[0]?.model.trim() ?? "?"}, ${platform} ${arch}, Bun ${Bun.version}`;
}
