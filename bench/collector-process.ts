import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BatchSender } from "./batch-sender.ts";
import { EXECUTABLE, findPorts, readCpuMicros, readMemory } from "./process.ts";
import { type Batches, SPANS_A_TRACE } from "./span-batches.ts";

const JAR = process.env.ZIPKIN_JAR ?? join(import.meta.dir, "../.cache/zipkin/zipkin-server-3.6.1-exec.jar");
const CONNECTIONS = 4;
/** Timeout of every wait; exceeding it ends the benchmark. */
const PATIENCE_MS = 120_000;

export const hasZipkin = existsSync(JAR) && Bun.which("java") !== null;

/** The cost of storing spans. */
export interface Taken {
  readonly spansPerSecond: number;
  readonly cpuSecondsPerMillion: number;
}

/** A running collector or Zipkin. */
export class CollectorProcess {
  readonly name: string;
  readonly url: string;
  readonly startMs: number;
  readonly #child: Bun.Subprocess;
  readonly #port: number;

  private constructor(name: string, url: string, startMs: number, child: Bun.Subprocess, port: number) {
    this.name = name;
    this.url = url;
    this.startMs = startMs;
    this.#child = child;
    this.#port = port;
  }

  static ours(name: string, ...args: string[]): Promise<CollectorProcess> {
    return CollectorProcess.#start(name, (port) => [
      EXECUTABLE,
      "collector",
      "--port",
      String(port),
      ...args,
    ]);
  }

  static zipkin(): Promise<CollectorProcess> {
    return CollectorProcess.#start("Zipkin", () => ["java", "-Xmx1g", "-jar", JAR]);
  }

  static async #start(name: string, commandFor: (port: number) => string[]): Promise<CollectorProcess> {
    const port = findPorts(1)[0] as number;
    const startedMs = performance.now();
    const child = Bun.spawn(commandFor(port), {
      stdio: ["ignore", "ignore", "ignore"],
      env: {
        ...process.env,
        QUERY_PORT: String(port),
        MEM_MAX_SPANS: "2000000",
        SELF_TRACING_ENABLED: "false",
      },
    });
    const url = `http://127.0.0.1:${port}`;
    await until(async () => (await ask(`${url}/health`)).ok, `${name} does not start`);
    const startMs = performance.now() - startedMs;
    return new CollectorProcess(name, url, startMs, child, port);
  }

  get residentBytes(): number {
    return readMemory(this.#child.pid, "VmRSS");
  }

  /** Sends all batches as fast as the server accepts them. Resolves when all sampled traces are complete. */
  async take({ requests, spans, samples }: Batches): Promise<Taken> {
    const cpuBefore = readCpuMicros([this.#child.pid]);
    const startMs = performance.now();
    let next = 0;
    await this.#connected(async (sender) => {
      while (next < requests.length) await sender.send(requests[next++] as Buffer);
    });
    for (const id of samples.toReversed())
      await until(() => this.#isWhole(id), `${this.name} does not have all spans`);
    return {
      spansPerSecond: spans / ((performance.now() - startMs) / 1000),
      cpuSecondsPerMillion: (readCpuMicros([this.#child.pid]) - cpuBefore) / spans,
    };
  }

  /** Sends at a fixed rate until the returned function is called. */
  feed({ requests, spans }: Batches, spansPerSecond: number): () => Promise<void> {
    const startMs = performance.now();
    const requestsPerMs = ((requests.length / spans) * spansPerSecond) / 1000;
    let next = 0;
    let isOver = false;
    const done = this.#connected(async (sender) => {
      while (!isOver) {
        if (next > (performance.now() - startMs) * requestsPerMs) await Bun.sleep(1);
        else await sender.send(requests[next++ % requests.length] as Buffer);
      }
    });
    return async () => {
      isOver = true;
      await done;
      const rate = (next / requests.length) * (spans / ((performance.now() - startMs) / 1000));
      assert.ok(rate > spansPerSecond * 0.9, `${this.name} accepted ${rate} of ${spansPerSecond} spans/s`);
    };
  }

  async send(request: Buffer): Promise<void> {
    const sender = await BatchSender.connect(this.#port);
    await sender.send(request);
    sender.close();
  }

  /** Returns the time until the whole answer has arrived, in milliseconds. */
  async time(path: string): Promise<number> {
    const startMs = performance.now();
    const response = await ask(`${this.url}${path}`);
    await response.bytes();
    assert.equal(response.status, 200);
    return performance.now() - startMs;
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }

  /** Opens connections for each piece of work, because servers close connections that idle during the others' turns. */
  async #connected(work: (sender: BatchSender) => Promise<void>): Promise<void> {
    const connect = async () => {
      const sender = await BatchSender.connect(this.#port);
      await work(sender);
      sender.close();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connect));
  }

  async #isWhole(traceId: string): Promise<boolean> {
    const response = await ask(`${this.url}/api/v2/trace/${traceId}`);
    return response.ok && ((await response.json()) as unknown[]).length === SPANS_A_TRACE;
  }
}

function ask(url: string): Promise<Response> {
  return fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS / 20) });
}

async function until(isDone: () => Promise<boolean>, problem: string): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await isDone().catch(() => false))) {
    assert.ok(performance.now() < deadlineMs, problem);
    await Bun.sleep(2);
  }
}
