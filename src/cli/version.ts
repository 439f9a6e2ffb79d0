import { VERSION } from "../lib/version.ts";
import { defineCommand } from "./shell/command.ts";
import { EXIT } from "./shell/exit.ts";
import { outputFlag } from "./shell/global-flags.ts";

export const version = defineCommand({
  examples: [{ line: "chain-link version -o json", says: "include the runtime and the platform" }],
  flags: { output: outputFlag(["text", "json"], "text", "Output format.") },
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
