import { describeRelease, RELEASE_FLAGS, readObjectOptions } from "../common/release-flags.ts";
import { idleWithTopology, loadTopology, TOPOLOGY_OPERAND } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { textFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG, outputFlag } from "../shell/global-flags.ts";
import type { Output } from "../shell/output.ts";

/** The original's folder for manifests. */
const DEFAULT_DIRECTORY = "~/.config/chain-link/manifests";

/** Log lines per write: one write for each of 20,000 files would take longer than writing the files. */
const LINES_AT_A_TIME = 500;

/** Characters per write of a stream. */
const PIECE_LENGTH = 1 << 20;

export const generate = defineCommand({
  examples: [
    { line: "chain-link generate --instances 5", says: "write 15 files to ~/.config/chain-link/manifests" },
    { line: "chain-link generate -o yaml | kubectl apply -f -", says: "apply the manifests with kubectl" },
    {
      line: "chain-link generate shop.yaml --output-directory shop",
      says: "write the manifests of a topology to ./shop",
    },
    {
      line: "chain-link generate --collector http://tempo.monitoring:9411 --network-policy edges",
      says: "use an existing collector; allow only a link's callers to reach it",
    },
  ],
  operands: TOPOLOGY_OPERAND,
  configFile: "creates",
  idleFlags: idleWithTopology,
  flags: {
    ...RELEASE_FLAGS,
    "output-directory": textFlag(DEFAULT_DIRECTORY, {
      summary: "Folder to write files to; obsolete files of an earlier run are removed.",
      placeholder: "FOLDER",
      completes: "directory",
    }),
    output: outputFlag(
      ["files", "yaml", "json"],
      "files",
      "Write files to a folder, or one stream to standard output.",
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
    for (const name of removed) lines.add(`Removed obsolete manifest ${name} from ${folder}`);
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
