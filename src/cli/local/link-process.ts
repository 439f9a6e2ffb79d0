import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";

export const linkProcess = defineCommand({
  examples: [],
  flags: {},
  async run() {
    const { runLinkWorker } = await import("../../local/link-worker.ts");
    await runLinkWorker();
    return EXIT.done;
  },
});
