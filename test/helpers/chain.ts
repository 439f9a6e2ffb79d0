import { type Link, type LinkOptions, startLink } from "../../src/link/link.ts";
import { REPORTER_DEFAULTS } from "../../src/link/reporter.ts";
import { rolesOf } from "../../src/link/roles.ts";
import { ratioSampler } from "../../src/link/sampler.ts";
import { chainOf } from "../../src/topology/chain.ts";
import {
  type Behavior,
  type Call,
  PLAIN_BEHAVIOUR,
  PLAIN_CALL,
  type Service,
  type Sleep,
  type Topology,
} from "../../src/topology/model.ts";
import { DEFAULT_PROPAGATORS } from "../../src/trace/context.ts";
import type { Span } from "../../src/trace/span.ts";
import { type Backend, startBackend } from "./zipkin-backend.ts";

export interface TestChain {
  readonly url: string;
  readonly links: ReadonlyMap<string, Link>;
  readonly backend: Backend;
  readonly logLines: string[];
  readonly accessLines: string[];
  link(name: string): Link;
  /** Stops the links, which delivers all spans, and returns these. */
  stop(): Promise<readonly Span[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestChainOptions {
  /** Overrides the defaults of a test: no log, batches sent at once, random numbers 0.5. */
  readonly link?: Partial<LinkOptions>;
  /** Base URLs of services that are not links. */
  readonly urls?: Readonly<Record<string, string>>;
  /** Services that are not started. Calls to them go to `urls` or are refused. */
  readonly absent?: readonly string[];
}

/** Starts all links of a topology in this process, and a backend for their spans. */
export function startChain(topology: Topology, options: TestChainOptions = {}): TestChain {
  const backend = startBackend();
  const links = new Map<string, Link>();
  const logLines: string[] = [];
  const accessLines: string[] = [];
  const randomOf = options.link?.randomOf ?? (() => () => 0.5);
  const resolve = (service: string) => links.get(service)?.url ?? options.urls?.[service] ?? CLOSED_PORT;
  for (const name of topology.services.keys()) {
    if (options.absent?.includes(name)) continue;
    links.set(
      name,
      startLink({
        name,
        host: "127.0.0.1",
        port: 0,
        source: { kind: "roles", roles: rolesOf(topology, randomOf) },
        resolve,
        target: { kind: "zipkin", url: backend.url },
        propagators: DEFAULT_PROPAGATORS,
        sampler: ratioSampler(1),
        tagSet: "default",
        trustPosition: true,
        log: {
          level: "off",
          format: "text",
          accessLog: false,
          write: (line) => logLines.push(line),
          writeAccess: (line) => accessLines.push(line),
        },
        reporter: { ...REPORTER_DEFAULTS, delayMs: 10 },
        resourceAttributes: {},
        version: "0.0.0-test",
        randomOf,
        ...options.link,
      }),
    );
  }
  const stop = async () => {
    await Promise.all([...links.values()].map((link) => link.stop({ drainMs: 0, graceMs: 5000 })));
    return backend.spans;
  };
  const link = (name: string) => {
    const found = links.get(name);
    if (found === undefined) throw new Error(`no link ${name}`);
    return found;
  };
  return {
    url: link(topology.entry).url,
    links,
    backend,
    logLines,
    accessLines,
    link,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await backend.stop();
    },
  };
}

/** A URL on which nothing listens. */
export const CLOSED_PORT = "http://127.0.0.1:1";

/** Builds a plain chain without slow requests. */
export function quickChain(...names: readonly string[]): Topology {
  return chainOf(names, { slow: false });
}

export interface ServiceFields extends Partial<Omit<Service, "name" | "steps" | "behavior">> {
  /** Overrides the default behavior. */
  readonly behavior?: Partial<Behavior>;
  /** Calls in order; those of a nested list run in parallel. */
  readonly calls?: readonly (CallFields | readonly CallFields[])[];
}

type CallFields = string | ({ readonly service: string } & Partial<Call>) | Sleep;

/** Builds a call graph; the first service is the entry. */
export function graphOf(services: Readonly<Record<string, ServiceFields>>): Topology {
  const action = (fields: CallFields): Call | Sleep => {
    if (typeof fields === "object" && "sleep" in fields) return fields;
    return { ...PLAIN_CALL, timeoutMs: 3000, ...(typeof fields === "string" ? { service: fields } : fields) };
  };
  const entries = Object.entries(services).map(
    ([name, { calls = [], behavior, ...rest }]): [string, Service] => [
      name,
      {
        replicas: 1,
        behavior: { ...PLAIN_BEHAVIOUR, ...behavior },
        ...rest,
        name,
        steps: calls.map((step) => (isGroup(step) ? step.map(action) : [action(step)])),
      },
    ],
  );
  return { name: "graph", kind: "graph", entry: entries[0]?.[0] ?? "", services: new Map(entries) };
}

function isGroup(step: CallFields | readonly CallFields[]): step is readonly CallFields[] {
  return Array.isArray(step);
}
