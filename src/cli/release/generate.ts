import { describeRelease, RELEASE_FLAGS, readObjectOptions } from "../common/release-flags.ts";
import { idleWithTopology, loadTopology, TOPOLOGY_OPERAND } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { textFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import type { Output } from "../shell/output.ts";

/** Where the original writes manifests. */
const DEFAULT_DIRECTORY = "~/.config/chain-link/manifests";

/** Lines of the log that are written at a time: one write for each of 20,000 files would take longer than the files. */
const LINES_AT_A_TIME = 500;

/** Text of a stream that is held before it is written. */
const PIECE_LENGTH = 1 << 20;

export const generate = defineCommand({
  examples: [
    { line: "chain-link generate --instances 5", says: "15 files in ~/.config/chain-link/manifests" },
    { line: "chain-link generate -o yaml | kubectl apply -f -", says: "straight into a cluster" },
    { line: "chain-link generate shop.yaml --output-directory shop", says: "a topology document" },
    {
      line: "chain-link generate --collector http://tempo.monitoring:9411 --network-policy edges",
      says: "no Zipkin of its own; links are reached by their callers only",
    },
  ],
  operands: TOPOLOGY_OPERAND,
  usesConfigFile: true,
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    "output-directory": textFlag(DEFAULT_DIRECTORY, {
      summary: "The folder for the files; those of an earlier run that are no longer needed are removed.",
      placeholder: "FOLDER",
      completes: "directory",
    }),
    output: outputFlag(
      ["files", "yaml", "json"],
      "files",
      "Files in a folder, or one stream on standard output.",
    ),
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, operands, settings, output }) {
    const slow = flags.slow === "on";
    const topology = await loadTopology(operands[0], { instances: flags.instances, slow, settings, output });
    describeRelease(topology.services.size, flags, output);
    output.info("Generating chain-link kubernetes yaml...");
    const [{ buildObjects }, { renderManifest, renderStream }] = await Promise.all([
      import("../../kubernetes/objects.ts"),
      import("../../kubernetes/manifest-file.ts"),
    ]);
    output.detail(`topology ${topology.name}: ${topology.services.size} services, entry ${topology.entry}`);
    const objects = buildObjects(topology, readObjectOptions(flags));
    if (flags.output !== "files") {
      await writeStream(renderStream(objects, flags.output), output);
      return EXIT.done;
    }
    const [{ writeManifests }, { expandHome }] = await Promise.all([
      import("../../kubernetes/manifest-folder.ts"),
      import("../shell/config-file.ts"),
    ]);
    const folder = flags["output-directory"];
    const lines = new LineBuffer(output);
    const { removed } = writeManifests(expandHome(folder), objects.values().map(renderManifest), (name) =>
      lines.add(`Writing manifest ${name} into ${folder}`),
    );
    for (const name of removed) lines.add(`Removed manifest ${name} of an earlier run from ${folder}`);
    lines.flush();
    return EXIT.done;
  },
});

async function writeStream(pieces: Iterable<string>, output: Output): Promise<void> {
  let held = "";
  for (const piece of pieces) {
    held += piece;
    if (held.length < PIECE_LENGTH) continue;
    await output.result(held);
    held = "";
  }
  await output.result(held);
}

class LineBuffer {
  #lines: string[] = [];

  constructor(readonly output: Output) {}

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length >= LINES_AT_A_TIME) this.flush();
  }

  flush(): void {
    if (this.#lines.length > 0) this.output.info(...this.#lines);
    this.#lines = [];
  }
}
