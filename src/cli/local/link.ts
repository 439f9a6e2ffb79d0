import { LINK_PORT } from "../../lib/default-address.ts";
import { type Endpoint, hideSecrets } from "../../lib/endpoint.ts";
import { randomSource } from "../../lib/random.ts";
import { DEFAULT_SERVICES_FILE, DEFAULT_ZIPKIN_URL } from "../../link/defaults.ts";
import { LOG_LEVELS } from "../../link/log.ts";
import { MAX_SERVICES } from "../../topology/model.ts";
import { DEFAULT_PROPAGATORS, PROPAGATORS, type Propagator } from "../../trace/context.ts";
import { LINK_FLAGS } from "../common/shared-flags.ts";
import { SLOW_FLAG } from "../common/topology-input.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import {
  choiceFlag,
  choicesFlag,
  durationFlag,
  integerFlag,
  nameUrlFlag,
  type PlatformReading,
  parseUrl,
  switchFlag,
  textFlag,
  Unfit,
  urlFlag,
} from "../shell/flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";

/** Name of a link without one, as in the original. */
const UNKNOWN_NAME = "unknown";

export const link = defineCommand({
  examples: [
    { line: "chain-link link --name a --services-file services.json", says: "run link a of a list" },
    {
      line: "chain-link link --name cart --topology shop.yaml --port 8001",
      says: "run one service of a topology",
    },
    {
      line: "chain-link link --name a --resolve b=http://localhost:8002",
      says: "say where the next link is",
    },
  ],
  flags: {
    name: textFlag(UNKNOWN_NAME, {
      summary: "Name of the link's service.",
      placeholder: "NAME",
      env: ["CHAIN_LINK_SERVICE_NAME", "OTEL_SERVICE_NAME"],
    }),
    host: textFlag("0.0.0.0", { summary: "Address to listen on.", placeholder: "ADDRESS" }),
    // A Service named chain-link would set CHAIN_LINK_PORT; the original's variable has no prefix.
    port: integerFlag(
      LINK_PORT,
      { min: 0, max: 65_535 },
      { summary: "Port to listen on; 0 picks a free port.", placeholder: "PORT", env: ["PORT"] },
    ),
    "services-file": textFlag(DEFAULT_SERVICES_FILE, {
      summary: "JSON list of the services of a chain, in order; reloaded when it changes.",
      placeholder: "FILE",
      completes: "file",
    }),
    instances: integerFlag(
      null,
      { min: 1, max: MAX_SERVICES },
      {
        summary: "Length of the plain chain while the list does not name this link.",
        fallbackText: "the list's",
      },
    ),
    topology: textFlag(null, {
      summary: "Topology document to use instead of the list.",
      placeholder: "FILE",
      completes: "file",
    }),
    service: textFlag(null, {
      summary: "The service's entry of a topology document, as JSON.",
      placeholder: "JSON",
    }),
    resolve: nameUrlFlag({ summary: "URL of a service, instead of http://NAME; may be repeated." }),
    slow: SLOW_FLAG,
    "trust-position": choiceFlag("on", ["on", "off"], {
      summary: "Whether the X-Current-Service header decides which service the link acts as.",
    }),
    zipkin: urlFlag({
      summary: "Zipkin or collector to send spans to.",
      fallbackText: DEFAULT_ZIPKIN_URL,
      env: ["CHAIN_LINK_ZIPKIN", "OTEL_EXPORTER_ZIPKIN_ENDPOINT"],
    }),
    otlp: urlFlag({
      summary: "OTLP/HTTP receiver to send spans to, instead of Zipkin.",
      env: ["CHAIN_LINK_OTLP", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
      platforms: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: readExactUrl },
    }),
    ...LINK_FLAGS,
    propagation: choicesFlag(DEFAULT_PROPAGATORS, PROPAGATORS, {
      summary: "Propagation formats to send when the incoming request has no trace context.",
      env: ["CHAIN_LINK_PROPAGATION", "OTEL_PROPAGATORS"],
      platforms: { OTEL_PROPAGATORS: readPropagators },
    }),
    ledger: choiceFlag("on", ["on", "off"], {
      summary: "Whether responses carry the ledger of their spans, which verify reads.",
    }),
    "log-level": choiceFlag("info", LOG_LEVELS, { summary: "Minimum log level." }),
    "log-format": choiceFlag("text", ["text", "json"], { summary: "Log format." }),
    "access-log": switchFlag({ summary: "Print one JSON line per request to standard output." }),
    drain: durationFlag(0, {
      summary: "How long to keep serving after SIGTERM while reporting unready.",
      fallbackText: "0s",
    }),
    grace: durationFlag(25_000, {
      summary: "Maximum time from SIGTERM to exit, for requests in flight and unsent spans.",
      fallbackText: "25s",
    }),
  },
  async run({ flags, settings, output }) {
    const [{ startLink }, { readTracing }, { chooseRoles }, { ratioSampler }] = await Promise.all([
      import("../../link/link.ts"),
      import("../common/otel-environment.ts"),
      import("./link-roles.ts"),
      import("../../link/sampler.ts"),
    ]);
    const { tracer, target } = readTracing(flags, settings, output);
    const isNamed = settings.some(({ name, origin }) => name === "name" && origin !== "default");
    const name = isNamed ? flags.name : (tracer.resourceAttributes["service.name"] ?? flags.name);
    const randomOf = randomSource(flags.seed);
    const interruption = watchInterrupts();
    const running = startLink({
      name,
      host: flags.host,
      port: flags.port,
      source: await chooseRoles({ ...flags, name }, randomOf),
      resolve: (service) => flags.resolve.get(service)?.url,
      headersOf: (service) => flags.resolve.get(service)?.headers,
      target,
      propagators: flags.propagation,
      isTracing: tracer.isTracing,
      sampler: ratioSampler(tracer.samplingShare),
      tagSet: flags.tags,
      trustPosition: flags["trust-position"] === "on",
      hasLedger: flags.ledger === "on",
      log: {
        level: flags["log-level"],
        format: flags["log-format"],
        accessLog: flags["access-log"],
        write: (line) => output.logLine(line),
        writeAccess: (line) => output.line(line),
      },
      reporter: tracer.reporter,
      resourceAttributes: tracer.resourceAttributes,
      version: (await import("../../lib/version.ts")).VERSION,
      randomOf,
    });
    if (flags.port === 0) output.info(`listening on ${running.url}`);
    const signal = await interruption.signal;
    output.info(
      "stopping: finishing requests in flight and sending spans; a second signal stops immediately",
    );
    await running.stop({ drainMs: flags.drain, graceMs: flags.grace });
    const lost = Object.entries(running.reporter.dropped).filter(([, count]) => count > 0);
    if (lost.length > 0)
      output.warn(`spans dropped: ${lost.map(([reason, count]) => `${count} ${reason}`).join(", ")}`);
    return signal === "SIGINT" ? EXIT.interrupted : EXIT.done;
  },
});

function readExactUrl(text: string): PlatformReading<Endpoint | null> {
  const value = parseUrl(text, true);
  if (!(value instanceof Unfit)) return { value, problem: null };
  return {
    value,
    problem: `ignored: expected ${value.expected}, found ${JSON.stringify(hideSecrets(text))}`,
  };
}

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration */
function readPropagators(text: string): PlatformReading<readonly Propagator[]> {
  const words = text
    .toLowerCase()
    .split(",")
    .map((word) => word.trim());
  if (words.includes("none")) {
    const problem =
      "none: an incoming trace context is passed on, but none is added to a request without one";
    return { value: [], problem };
  }
  const value = PROPAGATORS.filter((it) => words.includes(it));
  const unknown = words.filter((word) => word !== "" && !PROPAGATORS.some((it) => it === word));
  if (unknown.length === 0) return { value, problem: null };
  const rest = value.length === 0 ? `using ${DEFAULT_PROPAGATORS.join(",")}` : `using ${value.join(",")}`;
  return {
    value: value.length === 0 ? new Unfit("") : value,
    problem: `expected ${PROPAGATORS.join(", ")} or none, found ${JSON.stringify(unknown.join(","))}; ${rest}`,
  };
}
