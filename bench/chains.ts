import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TagSet } from "../src/link/tags.ts";
import { BUN, EXECUTABLE, findPorts, waitForPort } from "./process.ts";

export const LINKS = 5;
const HOST = "127.0.0.1";

/** A running chain of {@link LINKS} processes. */
export interface Chain {
  readonly name: string;
  /** URL of the entry. */
  readonly url: string;
  readonly pids: readonly number[];
  /** Additional arguments for wrk. */
  readonly wrk: readonly string[];
  /** Additional arguments for `chain-link load`. */
  readonly load: readonly string[];
  stop(): Promise<void>;
}

/** Returns the command that starts one process. `next` is 0 for the last one. */
export type LinkCommand = (at: { readonly index: number; readonly port: number; readonly next: number }) => {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export interface ChainOptions {
  readonly name: string;
  /** @default "/" */
  readonly path?: string;
  readonly wrk?: readonly string[];
  readonly load?: readonly string[];
  /** For programs with a fixed address. @default a free port on loopback */
  readonly addressOf?: (index: number) => readonly [host: string, port: number];
}

/** Starts the processes from the last to the first. */
export async function startChain(options: ChainOptions, commandOf: LinkCommand): Promise<Chain> {
  const ports = findPorts(LINKS);
  const addressOf = options.addressOf ?? ((index: number) => [HOST, ports[index] ?? 0] as const);
  const children: Bun.Subprocess[] = [];
  const stop = async () => {
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.exited));
  };
  try {
    for (let index = LINKS - 1; index >= 0; index--) {
      const [host, port] = addressOf(index);
      const { command, env } = commandOf({ index, port, next: ports[index + 1] ?? 0 });
      const stdio: ["ignore", "ignore", "ignore"] = ["ignore", "ignore", "ignore"];
      children.push(Bun.spawn([...command], { env: { ...process.env, ...env }, stdio }));
      await waitForPort(host, port, command.join(" "));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: options.name,
    url: `http://${addressOf(0).join(":")}${options.path ?? "/"}`,
    pids: children.map(({ pid }) => pid),
    wrk: options.wrk ?? [],
    load: options.load ?? [],
    stop,
  };
}

/** A chain of our links. */
export interface OwnChain extends Chain {
  /** Number of requests that the entry has answered. */
  requests(): Promise<number>;
  /** Sums over all links. */
  spans(): Promise<{ readonly sent: number; readonly dropped: number; readonly queued: number }>;
}

export interface OwnOptions {
  readonly name: string;
  readonly tags: TagSet;
  /** Share of sampled traces. The entry decides. */
  readonly sampled: number;
  readonly hasLedger: boolean;
  /** Base URL of the sink; the chain's name is the first part of its path. */
  readonly sink: string;
}

export async function startOwnChain({ name, tags, sampled, hasLedger, sink }: OwnOptions): Promise<OwnChain> {
  const folder = mkdtempSync(join(tmpdir(), "bench-hop-"));
  const file = join(folder, "services.json");
  const serviceOf = (index: number) => `chain-link-service-${index}`;
  writeFileSync(file, JSON.stringify(Array.from({ length: LINKS }, (_, index) => serviceOf(index))));
  const urls: string[] = [];
  const chain = await startChain({ name }, ({ index, port, next }) => {
    urls[index] = `http://${HOST}:${port}`;
    return {
      command: [
        EXECUTABLE,
        ...["link", "--name", serviceOf(index), "--host", HOST, "--port", String(port)],
        ...["--services-file", file, "--slow", "off", "--tags", tags, "--ledger", hasLedger ? "on" : "off"],
        ...["--zipkin", `${sink}/${encodeURIComponent(name)}/spans`],
        ...(next === 0 ? [] : ["--resolve", `${serviceOf(index + 1)}=http://${HOST}:${next}`]),
      ],
      env: { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: String(sampled) },
    };
  });
  return {
    ...chain,
    async requests() {
      return sumMetric(await readMetrics(urls[0] ?? ""), 'chain_link_requests_total{code="200"}');
    },
    async spans() {
      const texts = await Promise.all(urls.map(readMetrics));
      const sum = (name: string) => texts.reduce((total, text) => total + sumMetric(text, name), 0);
      return {
        sent: sum("chain_link_spans_sent_total"),
        dropped: sum("chain_link_spans_dropped_total"),
        queued: sum("chain_link_spans_queued"),
      };
    },
    async stop() {
      await chain.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function readMetrics(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** Sums all series whose name starts with `start`. */
function sumMetric(text: string, start: string): number {
  return text
    .split("\n")
    .filter((line) => line.startsWith(start))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** The bytes that a link in the middle of a chain receives and answers. */
export interface LinkBytes {
  readonly request: string;
  readonly answer: string;
}

const CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** Sends a request as another link would and returns the bytes of both directions. */
export async function readLinkBytes(url: string): Promise<LinkBytes> {
  const { hostname, port, host } = new URL(url);
  const request = `GET /forward HTTP/1.1\r\nHost: ${host}\r\nX-Current-Service: chain-link-service-0\r\ntraceparent: ${CONTEXT}\r\n\r\n`;
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: (_socket, chunk) => resolve(chunk.toString()) },
  });
  socket.write(request);
  const answer = await promise;
  socket.end();
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*chain-link-ledger.*final chain link/s);
  return { request, answer };
}

/** Starts the floor: as many processes, which send bytes of the same length. */
export function startFloorChain({ request, answer }: LinkBytes): Promise<Chain> {
  const program = join(import.meta.dir, "fixed-bytes.ts");
  return startChain({ name: "raw sockets" }, ({ port, next }) => ({
    command: [BUN, program, String(port), String(next), request, answer],
    // The links' executable sets the same.
    env: { BUN_JSC_forceRAMSize: "268435456" },
  }));
}
