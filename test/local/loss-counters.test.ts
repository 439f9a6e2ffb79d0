import { expect, test } from "bun:test";
import { startCollector } from "../../src/collector/server.ts";
import { NO_FAULT } from "../../src/link/link-fault.ts";
import { startLocalChain } from "../../src/local/local-chain.ts";
import { lossCounters } from "../../src/local/loss-counters.ts";
import { quickChain } from "../helpers/chain.ts";
import { eventually } from "../helpers/cli.ts";

test("the counters of a link continue after a restart, including its dropped spans by reason", async () => {
  using backend = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response("", { status: 400 }),
  });
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const chain = await startLocalChain({
    topology: quickChain("a", "b"),
    host: "127.0.0.1",
    basePort: 0,
    target: { kind: "zipkin", url: `http://127.0.0.1:${backend.port}` },
    tagSet: "default",
    version: "0",
    seed: null,
    processes: false,
    write: () => {},
  });
  const countersOf = (name: string) => lossCounters(chain.links, collector.store).links.get(name)?.counters;
  await fetch(chain.entryUrl);
  expect(countersOf("a")).toMatchObject({ sent: 0, queued: 2 });
  const [, b] = chain.links;
  await b?.setFault({ ...NO_FAULT, isStopped: true });
  expect(countersOf("b")).toMatchObject({ sent: 0, queued: 0 });
  await b?.setFault(NO_FAULT);
  await fetch(chain.entryUrl);
  await eventually(() => (countersOf("b")?.dropped.get("rejected") === 2 ? true : undefined));
  await chain.stop();
  expect(countersOf("a")?.dropped.get("rejected")).toBe(4);
  await collector.stop();
});
