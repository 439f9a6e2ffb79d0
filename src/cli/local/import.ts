import { UserError } from "../../lib/errors.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { readDocument } from "../shell/input-file.ts";

const FORMATS = ["isotope"] as const;

export const importCommand = defineCommand({
  examples: [
    {
      line: "chain-link import isotope canonical.yaml > canonical.topology.yaml",
      says: "convert a service graph",
    },
    { line: "chain-link import isotope canonical.yaml | chain-link up -", says: "convert and run it" },
  ],
  operands: {
    usage: "isotope FILE",
    summary: "Format and file (- reads standard input). What cannot be converted is a warning.",
    min: 2,
    max: 2,
  },
  flags: {},
  async run({ operands: [format, file = "-"], output }) {
    if (!FORMATS.some((known) => known === format)) {
      throw new UserError("usage", `expected one of ${FORMATS.join(", ")}, found ${JSON.stringify(format)}`);
    }
    const { text, name } = await readDocument(file);
    const [{ importIsotope }, { describeLoss }] = await Promise.all([
      import("../../topology/isotope.ts"),
      import("../../topology/isotope-remarks.ts"),
    ]);
    const { yaml, losses } = importIsotope(text, name);
    for (const loss of losses) output.warn(describeLoss(name, loss));
    await output.result(yaml);
    return EXIT.done;
  },
});
