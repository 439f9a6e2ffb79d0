import type { Endpoint } from "../lib/endpoint.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { choiceFlag, durationFlag, integerFlag, textFlag, urlFlag } from "./flags.ts";

export const traces = defineCommand({
  examples: [
    { line: "chain-link traces export run.json", says: "all traces of the collector on this machine" },
    {
      line: "chain-link traces export errors.jsonl --format otlp --query error",
      says: "those with an error, as OTLP",
    },
    { line: "chain-link traces export - | jq length", says: "to another program" },
    {
      line: "chain-link traces import run.json --to http://localhost:9411",
      says: "to look at somebody else's",
    },
  ],
  operands: {
    usage: "export|import FILE",
    summary: "What to do, and the file (- is standard output or input).",
    min: 2,
    max: 2,
  },
  flags: {
    from: urlFlag({
      summary: "The collector or Zipkin to export from.",
      fallbackText: "http://127.0.0.1:9411",
    }),
    to: urlFlag({ summary: "The collector or Zipkin to import to.", fallbackText: "http://127.0.0.1:9411" }),
    format: choiceFlag("zipkin", ["zipkin", "otlp"], {
      summary: "zipkin: one JSON list of spans; otlp: a line of OTLP JSON for each service of a trace.",
    }),
    service: textFlag(null, {
      summary: "Export traces with this service only.",
      placeholder: "NAME",
      // A service's whole entry in the pods of links.
      env: [],
    }),
    query: textFlag(null, {
      summary: "Export traces with these tags only, as in `error and http.method=GET`.",
    }),
    lookback: durationFlag(86_400_000, {
      summary: "Export traces that started so long ago at most.",
      fallbackText: "24h",
      // Milliseconds in the pod of a collector.
      env: [],
    }),
    limit: integerFlag(
      100_000,
      { min: 1, max: 1e7 },
      { summary: "Export so many traces at most, the newest." },
    ),
  },
  async run({ flags, operands, settings, output }) {
    const [{ UserError }, { exportTraces, importTraces }] = await Promise.all([
      import("../lib/errors.ts"),
      import("./trace-files.ts"),
    ]);
    const [action, file = ""] = operands;
    if (action !== "export" && action !== "import")
      throw new UserError("usage", `traces: expected export or import, found ${JSON.stringify(action)}`);
    const stray = settings.find(
      ({ name, origin }) => origin === `--${name}` && (name === "to") !== (action === "import"),
    );
    if (stray !== undefined) {
      const other = action === "export" ? "import" : "export";
      const hint =
        stray.name === "format" ? "An import sees by its beginning which format a file has." : undefined;
      throw new UserError("usage", `--${stray.name} is a flag of traces ${other}, not of ${action}`, hint);
    }
    if (action === "export") {
      const { from, service, query, lookback, limit, format } = flags;
      const done = await exportTraces(
        file,
        { from: from ?? DEFAULT, service, query, lookbackMs: lookback, limit, format },
        output,
      );
      const place = file === "-" ? "standard output" : file;
      output.info(`${done.traces} traces, ${done.spans} spans written to ${place}`);
      return EXIT.done;
    }
    const spans = await importTraces(file, flags.to ?? DEFAULT);
    output.info(`${spans} spans of ${file === "-" ? "standard input" : file} imported`);
    return EXIT.done;
  },
});

const DEFAULT: Endpoint = { url: "http://127.0.0.1:9411", headers: {} };
