import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { load } from "js-yaml";

/**
 * What the proxy does to a call. With `lost` and `timeout` the call reaches the API server, but its answer does not
 * return.
 */
export const FAULTS = ["500", "429", "reset", "lost", "timeout"] as const;
export type Fault = (typeof FAULTS)[number];

/** The calls that fail: all calls for `forMs` from call number `from` on; with 0 ms only that call. */
export interface FaultPlan {
  readonly fault: Fault;
  /** Number of the first call that fails, from 1. */
  readonly from: number;
  readonly forMs: number;
}

export interface RecordedCall {
  readonly method: string;
  readonly path: string;
}

export interface ApiProxyOptions {
  readonly faults?: FaultPlan;
  /**
   * Called when the API server has answered a call, before the client gets the answer. `false` withholds the answer
   * forever.
   */
  readonly onAnswered?: (call: number) => boolean;
  /** Delay added to each call, half before and half after it. */
  readonly delayMs?: number;
}

/** A proxy in front of a real API server that counts calls and makes some of them fail. */
export class ApiProxy {
  readonly calls: RecordedCall[] = [];
  readonly url: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #agent: Agent;
  readonly #target: URL;
  readonly #options: ApiProxyOptions;
  #faultsEndMs: number | null = null;

  private constructor(
    server: ReturnType<typeof createServer>,
    target: URL,
    agent: Agent,
    options: ApiProxyOptions,
  ) {
    this.#server = server;
    this.#target = target;
    this.#agent = agent;
    this.#options = options;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (incoming, outgoing) => void this.#answer(incoming, outgoing));
  }

  /** Uses the certificates of a kubeconfig with one cluster and one user. */
  static async start(kubeconfig: string, options: ApiProxyOptions = {}): Promise<ApiProxy> {
    const config = load(readFileSync(kubeconfig, "utf8")) as {
      clusters: { cluster: Record<string, string> }[];
      users: { user: Record<string, string> }[];
    };
    const { cluster } = config.clusters[0] ?? { cluster: {} };
    const { user } = config.users[0] ?? { user: {} };
    const decode = (text: string | undefined) => Buffer.from(text ?? "", "base64").toString();
    const agent = new Agent({
      keepAlive: true,
      ca: decode(cluster["certificate-authority-data"]),
      cert: decode(user["client-certificate-data"]),
      key: decode(user["client-key-data"]),
    });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ApiProxy(server, new URL(cluster.server ?? ""), agent, options);
  }

  /** Writes a kubeconfig that points to this proxy. */
  writeKubeconfig(path: string): string {
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "proxy",
      clusters: [{ name: "proxy", cluster: { server: this.url } }],
      users: [{ name: "proxy", user: {} }],
      contexts: [{ name: "proxy", context: { cluster: "proxy", user: "proxy" } }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = incoming;
    const call = this.calls.push({ method, path: url });
    const fault = this.#faultOf(call);
    const body = await readAll(incoming);
    if (fault === "reset") {
      incoming.socket.destroy();
      return;
    }
    if (fault === "500" || fault === "429") {
      const status = {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        code: Number(fault),
        message: "spoilt",
      };
      const headers = {
        "Content-Type": "application/json",
        ...(fault === "429" ? { "Retry-After": "1" } : {}),
      };
      outgoing.writeHead(Number(fault), headers).end(JSON.stringify(status));
      return;
    }
    const halfMs = (this.#options.delayMs ?? 0) / 2;
    if (halfMs > 0) await Bun.sleep(halfMs);
    const forwarded = request({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      method,
      path: url,
      headers: { ...incoming.headers, host: this.#target.host },
    });
    forwarded.on("error", () => incoming.socket.destroy());
    outgoing.on("close", () => forwarded.destroy());
    forwarded.on("response", (answer) => void this.#passOn(call, fault, answer, outgoing, halfMs));
    forwarded.end(body);
  }

  async #passOn(
    call: number,
    fault: Fault | null,
    answer: IncomingMessage,
    outgoing: ServerResponse,
    halfMs: number,
  ): Promise<void> {
    if (halfMs > 0) await Bun.sleep(halfMs);
    const mayAnswer = this.#options.onAnswered?.(call) ?? true;
    if (!mayAnswer || fault === "timeout") return;
    if (fault === "lost") {
      outgoing.socket?.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    // A watch may send nothing at first, but the client waits for its head.
    outgoing.flushHeaders();
    answer.on("error", () => outgoing.destroy());
    answer.pipe(outgoing);
  }

  #faultOf(call: number): Fault | null {
    const { faults } = this.#options;
    if (faults === undefined || call < faults.from) return null;
    if (call === faults.from) {
      this.#faultsEndMs = performance.now() + faults.forMs;
      return faults.fault;
    }
    return this.#faultsEndMs !== null && performance.now() < this.#faultsEndMs ? faults.fault : null;
  }
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
