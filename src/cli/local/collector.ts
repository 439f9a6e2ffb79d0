import { ZIPKIN_PORT } from "../../lib/default-address.ts";
import { CORS_FLAG, STORE_FLAGS, storeOptions, tellExposure } from "../common/collector-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { checkedFlag, choiceFlag, integerFlag, textFlag } from "../shell/flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";

const MAX_PORT = 65_535;

export const collector = defineCommand({
  examples: [
    { line: "chain-link collector", says: "serve Zipkin's API, OTLP and a page on http://127.0.0.1:9411" },
    {
      line: "chain-link collector --data spans.db --otlp-port 4318",
      says: "keep spans across restarts, and accept OTLP on its default port",
    },
    {
      line: "QUERY_PORT=9411 MEM_MAX_SPANS=500000 chain-link collector --host 0.0.0.0",
      says: "replace a Zipkin",
    },
  ],
  flags: {
    host: textFlag("127.0.0.1", { summary: "Address to listen on.", placeholder: "ADDRESS" }),
    port: integerFlag(
      ZIPKIN_PORT,
      { min: 0, max: MAX_PORT },
      {
        summary: "Port of the API and the page; 0 picks a free port.",
        placeholder: "PORT",
        // A Service named chain-link would set CHAIN_LINK_PORT.
        env: ["QUERY_PORT"],
      },
    ),
    "otlp-port": integerFlag(
      null,
      { min: 0, max: MAX_PORT },
      { summary: "Also accept OTLP/HTTP on this port (usually 4318).", placeholder: "PORT" },
    ),
    cors: CORS_FLAG,
    ...STORE_FLAGS,
    control: checkedFlag<string | null>(null, isToken, "a token of at least 16 letters, digits, - or _", {
      summary: "Token that allows the page or an HTTP client to pause span ingestion.",
      placeholder: "TOKEN",
      hide: () => "***",
    }),
    "sample-rate": checkedFlag("1", isShare, "a share from 0 to 1", {
      summary: "Share of traces to store, from 0 to 1.",
      placeholder: "SHARE",
      env: ["CHAIN_LINK_SAMPLE_RATE", "COLLECTOR_SAMPLE_RATE"],
    }),
    "autocomplete-keys": textFlag(null, {
      summary: "Tags whose values Zipkin's search offers, comma-separated.",
      placeholder: "KEYS",
      env: ["CHAIN_LINK_AUTOCOMPLETE_KEYS", "AUTOCOMPLETE_KEYS"],
    }),
    "strict-trace-id": choiceFlag("true", ["true", "false"], {
      summary: "Whether a 16-digit trace ID and a 32-digit ID ending in it are different traces.",
      env: ["CHAIN_LINK_STRICT_TRACE_ID", "STRICT_TRACE_ID"],
    }),
    search: choiceFlag("true", ["true", "false"], {
      summary: "Whether traces can be searched; otherwise only looked up by ID.",
      env: ["CHAIN_LINK_SEARCH", "SEARCH_ENABLED"],
    }),
    lookback: integerFlag(
      86_400_000,
      { min: 1, max: Number.MAX_SAFE_INTEGER },
      {
        summary: "Default search window in milliseconds.",
        placeholder: "MS",
        env: ["CHAIN_LINK_LOOKBACK", "QUERY_LOOKBACK"],
      },
    ),
  },
  async run({ flags, output }) {
    const { startCollector } = await import("../../collector/server.ts");
    const interruption = watchInterrupts();
    const desk = flags.control === null ? undefined : await openDesk(flags.control, flags.host);
    const running = startCollector({
      host: flags.host,
      port: flags.port,
      otlpPort: flags["otlp-port"] ?? undefined,
      onGrpc: once(() =>
        output.warn(
          "a client uses gRPC on the OTLP port, which accepts only HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf for that client",
        ),
      ),
      allowedOrigins: flags.cors,
      ...storeOptions(flags),
      control: desk,
      sampleRate: Number(flags["sample-rate"]),
      autocompleteKeys: flags["autocomplete-keys"]?.split(",").map((key) => key.trim()) ?? [],
      strictTraceId: flags["strict-trace-id"] === "true",
      isSearchable: flags.search === "true",
      lookbackMs: flags.lookback,
    });
    output.info(`listening on ${running.url}`);
    tellExposure(flags.host, "read and send traces", output);
    if (desk !== undefined)
      output.info(`page ${running.url}/#token=TOKEN, with the token given by --control`);
    if (running.otlpUrl !== null) output.info(`OTLP also on ${running.otlpUrl}/v1/traces`);
    if (flags.data !== null) output.info(`${running.store.counts().spans} spans in ${flags.data}`);
    const signal = await interruption.signal;
    const { spans, evictedSpans, refusedSpans } = running.store.counts();
    await running.stop();
    output.info(`stopped with ${spans} spans stored, ${evictedSpans} evicted, ${refusedSpans} refused`);
    return signal === "SIGINT" ? EXIT.interrupted : EXIT.done;
  },
});

/** Clients retry endlessly; one line is enough. */
function once(tell: () => void): () => void {
  let isTold = false;
  return () => {
    if (!isTold) tell();
    isTold = true;
  };
}

/** The token grants changes, so it must be hard to guess. */
function isToken(text: string): boolean {
  return /^[\w-]{16,}$/.test(text);
}

async function openDesk(token: string, host: string) {
  const { ControlDesk, NO_CHAIN } = await import("../../collector/control-desk.ts");
  const desk = new ControlDesk(token, host);
  desk.attach(NO_CHAIN);
  return desk;
}

function isShare(text: string): boolean {
  return /^\d+(\.\d+)?$/.test(text) && Number(text) <= 1;
}
