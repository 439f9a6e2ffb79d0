import { ZIPKIN_URL } from "../../lib/default-address.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { choiceFlag, durationFlag, integerFlag, textFlag, urlFlag } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";
import type { Imported } from "./trace-import.ts";

export const traces = defineCommand({
  examples: [
    { line: "chain-link traces export run.json", says: "export all traces of the local collector" },
    {
      line: "chain-link traces export errors.jsonl --format otlp --query error",
      says: "export traces with an error as OTLP",
    },
    { line: "chain-link traces export - | jq length", says: "pipe traces to another program" },
    {
      line: "chain-link traces import trace.json.gz --to http://localhost:9411",
      says: "import a file in Zipkin, OTLP, Jaeger or Tempo format",
    },
  ],
  operands: {
    usage: "export|import FILE",
    summary: "Action and file (- is standard output or standard input).",
    min: 2,
    max: 2,
  },
  idleFlags: ({ operands: [action] }) =>
    action === "import" ? ["from", "format", "query", "limit"] : action === "export" ? ["to"] : [],
  flags: {
    from: urlFlag({
      summary: "Collector or Zipkin to export from.",
      fallbackText: ZIPKIN_URL,
    }),
    to: urlFlag({
      summary: "Collector, Zipkin or OTLP/HTTP receiver to import into.",
      fallbackText: ZIPKIN_URL,
    }),
    format: choiceFlag("zipkin", ["zipkin", "otlp"], {
      summary: "File format to write: zipkin (a JSON list) or otlp (JSON lines).",
    }),
    service: textFlag(null, {
      summary: "Export only traces with this service.",
      placeholder: "NAME",
      // In the pods of links, CHAIN_LINK_SERVICE is a service's whole entry.
      env: [],
    }),
    query: textFlag(null, {
      summary: "Export only traces with these tags, such as 'error and http.method=GET'.",
    }),
    lookback: durationFlag(86_400_000, {
      summary: "How far back to look for traces.",
      fallbackText: "24h",
      // In the pod of a collector, CHAIN_LINK_LOOKBACK is in milliseconds.
      env: [],
    }),
    limit: integerFlag(
      100_000,
      { min: 1, max: 1e7 },
      { summary: "Maximum number of traces to export, newest first." },
    ),
  },
  async run({ flags, operands, settings, output }) {
    const { UserError } = await import("../../lib/errors.ts");
    const [action, file = ""] = operands;
    if (action !== "export" && action !== "import")
      throw new UserError("usage", `traces: expected export or import, found ${JSON.stringify(action)}`);
    const stray = settings.find(
      ({ name, origin }) => origin === `--${name}` && (name === "to") !== (action === "import"),
    );
    if (stray !== undefined) {
      const other = action === "export" ? "import" : "export";
      const hint =
        stray.name === "format" ? "'import' detects the format of a file from its content." : undefined;
      throw new UserError("usage", `--${stray.name} is a flag of traces ${other}, not of ${action}`, hint);
    }
    if (action === "export") {
      const { from, service, query, lookback, limit, format } = flags;
      const { exportTraces } = await import("./trace-export.ts");
      const done = await exportTraces(
        file,
        { from: from ?? DEFAULT, service, query, lookbackMs: lookback, limit, format },
        output,
      );
      const place = file === "-" ? "standard output" : file;
      output.info(`${done.traces} traces, ${done.spans} spans written to ${place}`);
      const isChosen = settings.some(({ name, origin }) => name === "limit" && origin !== "default");
      if (done.traces === limit && !isChosen)
        output.warn(`stopped at ${limit} traces; use --limit to export more`);
      return EXIT.done;
    }
    const [{ importTraces }, { watchInterrupts }] = await Promise.all([
      import("./trace-import.ts"),
      import("../shell/interrupt.ts"),
    ]);
    const controller = new AbortController();
    void watchInterrupts().signal.then(() => controller.abort());
    const imported = await importTraces(file, flags.to ?? DEFAULT, controller.signal);
    const code = await reportImport(imported, output);
    if (!controller.signal.aborted) return code;
    output.error(`interrupted: ${imported.sent.stored} of ${imported.file.spans.length} spans were stored`);
    return EXIT.interrupted;
  },
});

const DEFAULT: Endpoint = { url: ZIPKIN_URL, headers: {} };

/** Reports the result for every span; resolves to the exit code. */
async function reportImport({ file, name, sent }: Imported, output: Output): Promise<number> {
  const [{ countRejected, describeRejected }, { formatCount }] = await Promise.all([
    import("../../trace/file/trace-file.ts"),
    import("../../lib/count.ts"),
  ]);
  const refused = [...sent.refused.values()].reduce((sum, count) => sum + count, 0);
  const rejected = countRejected(file) + refused;
  const read = file.spans.length + file.duplicates + countRejected(file);
  output.info(
    `${formatCount(read, "span")} read from ${name} (${file.formats.join(", ")}): ` +
      `${sent.stored} stored, ${file.duplicates} merged, ${rejected} rejected`,
  );
  for (const text of describeRejected(file)) output.error(text);
  for (const [reason, count] of sent.refused) {
    if (count === 0) output.warn(`${sent.backend.origin} says: ${reason}`);
    else output.error(`${formatCount(count, "span")} rejected by ${sent.backend.origin}: ${reason}`);
  }
  return rejected === 0 ? EXIT.done : EXIT.failed;
}
