import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";

export const linkProcess = defineCommand({
  examples: [],
  flags: {},
  async run() {
    const { runLinkWorker } = await import("../local/link-worker.ts");
    await runLinkWorker();
    return EXIT.done;
  },
});
