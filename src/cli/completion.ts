import { defineCommand, loadCommands } from "./shell/command.ts";
import { EXIT } from "./shell/exit.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion = defineCommand({
  examples: [
    { line: "source <(chain-link completion bash)", says: "enable completion in this shell" },
    { line: "chain-link completion zsh > ~/.zfunc/_chain-link", says: "enable it in every new zsh" },
    {
      line: "chain-link completion fish > ~/.config/fish/completions/chain-link.fish",
      says: "enable it in fish",
    },
  ],
  operands: { usage: "bash|zsh|fish", summary: "Shell to print the script for.", min: 1, max: 1 },
  flags: {},
  async run({ operands, output, commands }) {
    const { UserError } = await import("../lib/errors.ts");
    const shell = SHELLS.find((name) => name === operands[0]);
    if (shell === undefined) {
      throw new UserError(
        "usage",
        `expected one of ${SHELLS.join(", ")}, found ${JSON.stringify(operands[0])}`,
      );
    }
    const { renderCompletion } = await import("./shell/completion-script.ts");
    await output.result(renderCompletion(shell, await loadCommands(commands)));
    return EXIT.done;
  },
});
