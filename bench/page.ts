import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

const USERS_PAGE = join(import.meta.dir, "../docs/performance.md");
const DEVELOPERS_PAGE = join(import.meta.dir, "README.md");

/**
 * Replaces the text between `<!-- NAME -->` and `<!-- /NAME -->` on two pages: `docs/performance.md` shows users the
 * results, `bench/README.md` shows developers goals and notes.
 */
export function writePages(name: string, measured: readonly string[], goals: readonly string[]): void {
  replaceBlock(USERS_PAGE, name, measured);
  replaceBlock(DEVELOPERS_PAGE, name, goals);
}

function replaceBlock(page: string, name: string, lines: readonly string[]): void {
  const text = readFileSync(page, "utf8");
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  assert.ok(from !== -1 && to > from, `${page} has no block ${name}`);
  writeFileSync(page, `${text.slice(0, from)}${start}${lines.join("\n")}\n${text.slice(to)}`);
}

/** Renders a Markdown table with aligned columns; numbers are right-aligned. */
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

/** Describes the machine and the runtime, to print below measured figures. */
export function describeMachine(): string {
  const processors = cpus();
  const { platform, arch } = process;
  return `${processors.length} × ${processors[0]?.model.trim() ?? "?"}, ${platform} ${arch}, Bun ${Bun.version}`;
}
