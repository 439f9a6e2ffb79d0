import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { durationFlag, integerFlag, parseHttpUrl, rateFlag, Unfit } from "./flags.ts";
import { outputFlag } from "./global-flags.ts";
import { watchInterrupts } from "./interrupt.ts";
import { describeResults, summarizeResults } from "./load-summary.ts";
import type { Setting } from "./settings.ts";

/** How requests follow one another. */
export const PACE_FLAGS = {
  "sleep-time": durationFlag(1000, {
    summary: "Time from one request to the next.",
    placeholder: "SECONDS",
    bareSeconds: true,
    fallbackText: "1",
  }),
  rate: rateFlag({
    summary: "Requests a second (200/s), a minute (5/m) or an hour (50/h); overrides --sleep-time.",
  }),
} as const;

/** Milliseconds from one request to the next: a rate, unless only the time stands on the command line. */
export function intervalOf(
  flags: { readonly "sleep-time": number; readonly rate: number | null },
  settings: readonly Setting[],
): number {
  const isGiven = (name: string) => settings.some((it) => it.name === name && it.origin === `--${name}`);
  const sleepMs = Math.max(1, flags["sleep-time"]);
  return flags.rate === null || (isGiven("sleep-time") && !isGiven("rate")) ? sleepMs : flags.rate;
}

export const load = defineCommand({
  examples: [
    { line: "chain-link load http://localhost:8000 --rate 50/s --duration 10s", says: "500 requests" },
    { line: "chain-link load http://chain-link-service-0 --sleep-time 60", says: "one a minute, for ever" },
  ],
  operands: { usage: "URL", summary: "Where requests go.", min: 1, max: 1 },
  flags: {
    ...PACE_FLAGS,
    timeout: durationFlag(60_000, { summary: "Limit of a request.", fallbackText: "1m" }),
    duration: durationFlag(null, { summary: "End by itself after this time." }),
    requests: integerFlag(null, { min: 1, max: 1e9 }, { summary: "End by itself after so many requests." }),
    output: outputFlag(["table", "json"], "table", "How to print the results."),
  },
  async run({ flags, operands, settings, output }) {
    const [{ UserError }, { startLoad }] = await Promise.all([
      import("../lib/errors.ts"),
      import("../load/generator.ts"),
    ]);
    const url = parseHttpUrl(operands[0] ?? "");
    if (url instanceof Unfit) {
      throw new UserError("usage", `URL: expected ${url.expected}, found ${JSON.stringify(operands[0])}`);
    }
    const interruption = watchInterrupts();
    const running = startLoad({
      url,
      intervalMs: intervalOf(flags, settings),
      timeoutMs: flags.timeout,
      ...(flags.requests === null ? {} : { maxRequests: flags.requests }),
    });
    const ends: Promise<unknown>[] = [interruption.signal, running.done];
    if (flags.duration !== null) ends.push(Bun.sleep(flags.duration));
    const reason = await Promise.race(ends);
    await running.stop();
    const summary = summarizeResults(running.results);
    await output.result(
      flags.output === "json" ? `${JSON.stringify(summary)}\n` : `${describeResults(summary)}\n`,
    );
    if (reason === "SIGINT") return EXIT.interrupted;
    return summary.failed > 0 || summary.missed > 0 ? EXIT.failed : EXIT.done;
  },
});
