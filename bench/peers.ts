/**
 * Other programs that can form a chain. A program that is not installed is left out:
 *
 * | program | looked for | how to get it |
 * |---|---|---|
 * | fortio | `FORTIO`, or on the PATH | `go install fortio.org/fortio@v1.66.5` |
 * | podinfo | `PODINFO`, or on the PATH | `go install github.com/stefanprodan/podinfo/cmd/podinfo@latest` |
 * | fake-service | `FAKE_SERVICE` | a release of github.com/nicholasjackson/fake-service |
 * | isotope | `ISOTOPE` | istio/tools, `isotope/service`, changed as described below |
 *
 * The source of isotope fixes its listening address and the path of its graph. Change it to listen on
 * `LISTEN_ADDR` and to read the graph in the folder `CONFIG_PATH`.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chain, LINKS, startChain } from "./chains.ts";
import type { SpanSink } from "./span-sink.ts";

export const PEERS = [
  "fake-service traced",
  "isotope untraced",
  "fortio untraced",
  "podinfo with OTel",
  "podinfo untraced",
] as const;
export type PeerName = (typeof PEERS)[number];

export interface Peer {
  readonly chain: Chain;
  readonly version: string;
}

const HOST = "127.0.0.1";

/**
 * Starts a chain of the program and checks that it answers correctly through all processes. Resolves to `null` if the
 * program is not installed.
 */
export async function startPeer(name: PeerName, sink: SpanSink): Promise<Peer | null> {
  const { FORTIO, PODINFO, FAKE_SERVICE, ISOTOPE } = process.env;
  if (name.startsWith("fortio")) return startFortio(name, FORTIO ?? Bun.which("fortio"));
  if (name.startsWith("podinfo")) {
    return startPodinfo(name, PODINFO ?? Bun.which("podinfo"), name === "podinfo with OTel" ? sink : null);
  }
  if (name.startsWith("isotope")) return startIsotope(name, ISOTOPE ?? null);
  return startFakeService(name, FAKE_SERVICE ?? null, sink);
}

async function startFortio(name: string, program: string | null): Promise<Peer | null> {
  if (program === null) return null;
  // As many bytes as our links answer.
  const chain = await startChain({ name, path: "/echo?size=74" }, ({ port, next }) => ({
    command: next === 0 ? httpEcho(program, port) : proxy(program, port, next),
  }));
  return checked(chain, readVersion([program, "version"]), async () => {
    // Its proxies forward a compressed body without its Content-Encoding.
    const headers = { "Accept-Encoding": "identity" };
    const answer = await fetch(new URL("/debug", chain.url), { headers });
    assert.equal(answer.status, 200);
    assert.equal(
      (await answer.text())
        .match(/X-Fortio-Multi-Id: .*/g)
        ?.join()
        .split(",").length,
      LINKS - 1,
    );
    assert.equal((await (await fetch(chain.url, { headers })).arrayBuffer()).byteLength, 74);
  });
}

function httpEcho(program: string, port: number): string[] {
  const others = ["grpc", "redirect", "tcp", "udp"].flatMap((name) => [`-${name}-port`, "disabled"]);
  return [program, "server", "-loglevel", "error", "-http-port", `${HOST}:${port}`, ...others];
}

function proxy(program: string, port: number, next: number): string[] {
  return [program, "proxies", "-loglevel", "error", "-M", `${HOST}:${port} http://${HOST}:${next}`];
}

async function startPodinfo(
  name: string,
  program: string | null,
  sink: SpanSink | null,
): Promise<Peer | null> {
  if (program === null) return null;
  const folder = mkdtempSync(join(tmpdir(), "bench-podinfo-"));
  const script = join(folder, "post.lua");
  const message = "You have reached the final chain link";
  // It forwards only POST requests.
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = "${message}"\n`);
  const chain = await startChain(
    { name, path: "/api/echo", wrk: ["-s", script], load: ["--method", "POST", "--body", message] },
    ({ index, port, next }) => ({
      command: [
        program,
        ...["--host", HOST, "--port", String(port)],
        ...(next === 0 ? [] : ["--backend-url", `http://${HOST}:${next}/api/echo`]),
        ...(sink === null ? [] : ["--otel-service-name", `podinfo-${index}`]),
      ],
      env: sink === null ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${HOST}:${sink.grpcPort}` },
    }),
  );
  const stop = async () => {
    await chain.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return checked({ ...chain, stop }, readVersion([program, "--version"]), async () => {
    let text = await (await fetch(chain.url, { method: "POST", body: message })).text();
    // Each link but the last wraps the answer that it received in a list.
    for (let index = 0; index < LINKS - 1; index++) text = (JSON.parse(text) as string[])[0] ?? "";
    assert.equal(text, message);
  });
}

async function startFakeService(name: string, program: string | null, sink: SpanSink): Promise<Peer | null> {
  if (program === null) return null;
  const chain = await startChain({ name }, ({ index, port, next }) => ({
    command: [program],
    env: {
      NAME: `fake-service-${index}`,
      LISTEN_ADDR: `${HOST}:${port}`,
      UPSTREAM_URIS: next === 0 ? "" : `http://${HOST}:${next}`,
      HTTP_CLIENT_KEEP_ALIVES: "true",
      LOG_LEVEL: "error",
      TRACING_ZIPKIN: `${sink.url}/fake-service`,
    },
  }));
  type Answer = { readonly upstream_calls?: Readonly<Record<string, Answer>> };
  return checked(chain, "", async () => {
    let answer: Answer | undefined = (await (await fetch(chain.url)).json()) as Answer;
    for (let index = 0; index < LINKS; index++) {
      assert.ok(answer, `no answer from link ${index}`);
      answer = Object.values(answer.upstream_calls ?? {})[0];
    }
    assert.equal(answer, undefined);
  });
}

async function startIsotope(name: string, program: string | null): Promise<Peer | null> {
  if (program === null) return null;
  // Names are loopback addresses, because it calls `http://NAME:8080`.
  const nameOf = (index: number) => `127.0.1.${index + 1}`;
  const folder = mkdtempSync(join(tmpdir(), "bench-isotope-"));
  const services = Array.from({ length: LINKS }, (_, index) => ({
    name: nameOf(index),
    isEntrypoint: index === 0,
    responseSize: 74,
    ...(index === LINKS - 1 ? {} : { script: [{ call: nameOf(index + 1) }] }),
  }));
  // YAML is a superset of JSON.
  writeFileSync(join(folder, "service-graph.yaml"), JSON.stringify({ services }));
  const chain = await startChain({ name, addressOf: (index) => [nameOf(index), 8080] }, ({ index }) => ({
    command: [program, "-max-idle-connections-per-host", "128", "-log-level", "error"],
    env: { SERVICE_NAME: nameOf(index), LISTEN_ADDR: `${nameOf(index)}:8080`, CONFIG_PATH: folder },
  }));
  const stop = async () => {
    await chain.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return checked({ ...chain, stop }, "", async () => {
    assert.equal((await fetch(chain.url)).status, 200);
    const last = await (await fetch(`http://${nameOf(LINKS - 1)}:8080/metrics`)).text();
    assert.match(last, /service_incoming_requests_total 1$/m);
  });
}

/** Stops a chain that answers wrongly and leaves that peer out. */
async function checked(chain: Chain, version: string, check: () => Promise<void>): Promise<Peer> {
  try {
    await check();
  } catch (error) {
    await chain.stop();
    throw error;
  }
  return { chain, version };
}

function readVersion(command: string[]): string {
  return Bun.spawnSync(command).stdout.toString().trim();
}
