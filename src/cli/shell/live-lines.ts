import { joinLines, visibleCell } from "../../lib/visible-text.ts";
import type { Output } from "./output.ts";

/** Minimum time between redraws, so that a terminal behind a slow connection keeps up. */
const REFRESH_MS = 150;

/** Lines at the bottom of a terminal that are redrawn when they change. */
export class LiveLines {
  readonly #output: Output;
  readonly #render: () => readonly string[];
  #drawn = 0;
  #timer: Timer | undefined;

  constructor(output: Output, render: () => readonly string[]) {
    this.#output = output;
    this.#render = render;
  }

  /** Schedules a redraw; changes until then are coalesced. */
  update(): void {
    this.#timer ??= setTimeout(() => this.#draw(), REFRESH_MS);
  }

  /** Writes something above the lines. */
  interject(write: () => void): void {
    this.erase();
    write();
    this.update();
  }

  /** Draws one last time and leaves the lines in place. */
  finish(): void {
    this.#draw();
    clearTimeout(this.#timer);
    this.#drawn = 0;
  }

  /** Removes the lines. */
  erase(): void {
    this.#output.eraseLines(this.#drawn);
    this.#drawn = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #draw(): void {
    this.erase();
    const width = process.stderr.columns || 80;
    const height = (process.stderr.rows || 24) - 1;
    // Escape control characters before measuring: that changes the width.
    const lines = this.#render().slice(0, height).map(visibleCell);
    const shown = lines.map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line));
    this.#output.print(joinLines(shown));
    this.#drawn = shown.length;
  }
}
