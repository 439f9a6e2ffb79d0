import { VERSION } from "../lib/version.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { outputFlag } from "./global-flags.ts";

export const version = defineCommand({
  examples: [{ line: "chain-link version -o json", says: "with the runtime and the platform" }],
  flags: { output: outputFlag(["text", "json"], "text", "How to print.") },
  async run({ flags, output }) {
    const facts = {
      version: VERSION,
      runtime: `bun ${Bun.version}`,
      platform: `${process.platform}-${process.arch}`,
    };
    await output.result(flags.output === "json" ? `${JSON.stringify(facts)}\n` : `chain-link ${VERSION}\n`);
    return EXIT.done;
  },
});
