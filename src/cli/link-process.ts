import { LINK_PROCESS_COMMAND } from "../local/command-name.ts";
import { defineCommand, EXIT } from "./command.ts";

export const linkProcess = defineCommand({
  name: LINK_PROCESS_COMMAND,
  summary: "Run one link for a parent process that talks to it (used by up --processes)",
  examples: [],
  isHidden: true,
  flags: {},
  async run() {
    const { runLinkWorker } = await import("../local/link-worker.ts");
    await runLinkWorker();
    return EXIT.done;
  },
});
