import type { Load } from "../../load/generator.ts";
import type { Output } from "../shell/output.ts";

const REFRESH_MS = 500;

/** Shows the progress of a load in one line on a terminal; prints nothing elsewhere. */
export class LoadLine {
  readonly #output: Output;
  readonly #load: Load;
  readonly #timer: Timer | undefined;
  #sent = 0;
  #atMs: number;

  constructor(output: Output, load: Load) {
    this.#output = output;
    this.#load = load;
    this.#atMs = performance.now();
    if (!output.isTerminal || output.verbosity === "quiet") return;
    this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#output.clearLine();
  }

  #draw(): void {
    const { results } = this.#load;
    const nowMs = performance.now();
    const total = results.sent + results.warmUp;
    const perSecond = Math.round(((total - this.#sent) * 1000) / (nowMs - this.#atMs));
    this.#sent = total;
    this.#atMs = nowMs;
    const seconds = (nowMs - results.startMs) / 1000;
    const ms = (q: number) => (results.latency.quantile(q) / 1000).toFixed(2);
    const text = [
      seconds < 0 ? `warming up ${(-seconds).toFixed(0)} s` : `${seconds.toFixed(1)} s`,
      `${total} sent`,
      `${perSecond}/s`,
      `${results.failed} failed`,
      `${results.inFlight} in flight`,
      `p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms`,
    ].join("  ");
    const width = process.stderr.columns || 80;
    this.#output.clearLine();
    this.#output.print(text.slice(0, width - 1));
  }
}
