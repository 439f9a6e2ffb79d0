import { existsSync } from "node:fs";
import { join } from "node:path";
import { eventually, temporaryFolder } from "./cli.ts";
import { freePort } from "./free-port.ts";

/** Path of Envoy: from the PATH, or where `test/helpers/get-envoy` puts it. */
export const ENVOY = Bun.which("envoy") ?? join(import.meta.dir, "../../.cache/envoy/envoy");

export const hasEnvoy = existsSync(ENVOY);

export interface EnvoyOptions {
  /** @default none */
  readonly tracer?: "opentelemetry" | "zipkin" | "none";
  /** Receiver of its spans: the embedded collector, or a Zipkin for Envoy's Zipkin tracer. */
  readonly collectorUrl?: string;
  /** Service name of its spans. @default envoy */
  readonly serviceName?: string;
  /** Whether it records one span for the incoming and one for the upstream request. @default false: one for both */
  readonly hasUpstreamSpan?: boolean;
}

const TYPE = "type.googleapis.com/envoy.";

/** Starts a real Envoy in front of `target`. */
export async function startEnvoy(
  target: string,
  options: EnvoyOptions = {},
): Promise<{ readonly url: string } & AsyncDisposable> {
  const { tracer = "none", collectorUrl = target, serviceName = "envoy", hasUpstreamSpan = false } = options;
  const folder = temporaryFolder();
  const port = freePort();
  const provider = {
    none: undefined,
    opentelemetry: {
      name: "envoy.tracers.opentelemetry",
      typed_config: {
        "@type": `${TYPE}config.trace.v3.OpenTelemetryConfig`,
        http_service: { http_uri: { uri: `${collectorUrl}/v1/traces`, cluster: "collector", timeout: "2s" } },
        service_name: serviceName,
      },
    },
    zipkin: {
      name: "envoy.tracers.zipkin",
      typed_config: {
        "@type": `${TYPE}config.trace.v3.ZipkinConfig`,
        collector_cluster: "collector",
        collector_endpoint: "/api/v2/spans",
        // The default is the name of the cluster, and the embedded collector rejects that Host.
        collector_hostname: "localhost",
        collector_endpoint_version: "HTTP_JSON",
        shared_span_context: false,
      },
    },
  }[tracer];
  const filter = {
    "@type": `${TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${TYPE}extensions.filters.http.router.v3.Router` },
      },
    ],
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "ours" } }] },
      ],
    },
    ...(provider === undefined ? {} : { tracing: { provider, spawn_upstream_span: hasUpstreamSpan } }),
  };
  const config = join(folder.path, "envoy.json");
  const flush = (name: string) => ({
    [`tracing.${name}.flush_interval_ms`]: 100,
    [`tracing.${name}.min_flush_spans`]: 1,
  });
  await Bun.write(
    config,
    JSON.stringify({
      node: { id: "test", cluster: serviceName },
      layered_runtime: {
        layers: [{ name: "test", static_layer: { ...flush("opentelemetry"), ...flush("zipkin") } }],
      },
      static_resources: {
        listeners: [
          {
            address: addressOf(port),
            filter_chains: [
              { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: filter }] },
            ],
          },
        ],
        clusters: [
          clusterOf("ours", Number(new URL(target).port)),
          clusterOf("collector", Number(new URL(collectorUrl).port)),
        ],
      },
    }),
  );
  const quiet = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"];
  const child = Bun.spawn([ENVOY, "-c", config, ...quiet], { stdout: "ignore", stderr: "inherit" });
  const url = `http://127.0.0.1:${port}`;
  // A TCP connection, because a request would be traced.
  await eventually(async () => (await isListening(port)) || undefined);
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}

function addressOf(port: number) {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

function clusterOf(name: string, port: number) {
  const endpoint = { endpoint: { address: addressOf(port) } };
  return { name, load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] } };
}

export async function isListening(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
