import { startCollector } from "../../src/collector/server.ts";
import type { LinkOptions } from "../../src/link/link.ts";
import type { Topology } from "../../src/topology/model.ts";
import { startChain, type TestChain } from "../helpers/chain.ts";
import { eventually } from "../helpers/cli.ts";
import { type FaultProxy, startFaultProxy } from "../helpers/fault-proxy.ts";
import { type VerifyRunOptions, verifyRun } from "../helpers/verify-run.ts";
import { claimsOf } from "./claims.ts";

/** Injected and reported faults, each as a list of statements in the same words. */
export interface Comparison {
  readonly injected: readonly string[];
  readonly reported: readonly string[];
}

export interface FaultCase {
  readonly fault: string;
  /** Why precision or recall may be below 1. */
  readonly limit?: string;
  run(requests: number): Promise<Comparison>;
}

/** Links, and the proxies between them and in front of their backend. */
export interface Disturbed {
  readonly chain: TestChain;
  readonly proxy: FaultProxy;
  verify(options: Partial<VerifyRunOptions> & { readonly requests: number }): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts the links of a topology, whose spans pass a fault proxy on their way to a collector.
 * @param gateway returns the URL to call instead of the link; `null` for the link itself
 */
export function startDisturbed(
  topology: Topology,
  gateway: (service: string) => string | null = () => null,
  link: Partial<LinkOptions> = {},
): Disturbed {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const proxy = startFaultProxy(collector.url);
  const chain: TestChain = startChain(topology, {
    link: {
      target: { kind: "zipkin", url: proxy.url },
      randomOf: () => Math.random,
      resolve: (service) => gateway(service) ?? chain.link(service).url,
      ...link,
    },
  });
  const isSent = () => [...chain.links.values()].every(({ reporter }) => reporter.queued === 0);
  return {
    chain,
    proxy,
    async verify(options) {
      const result = await verifyRun({
        url: chain.url,
        backend: { kind: "collector", url: collector.url },
        topology,
        perSecond: 100,
        maxExamples: options.requests,
        links: new Map([...chain.links].map(([name, { url }]) => [name, url])),
        ...options,
        async onSent() {
          await options.onSent?.();
          await eventually(() => isSent() || undefined, 60_000);
        },
      });
      return claimsOf(result);
    },
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await collector.stop();
    },
  };
}
