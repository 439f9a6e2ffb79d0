import { expect, test } from "bun:test";
import { ApiClient } from "../../../src/kubernetes/api/client.ts";
import { buildObjects } from "../../../src/kubernetes/objects.ts";
import { waitForServicesList } from "../../../src/kubernetes/release/services-delivery.ts";
import { buildChain } from "../../../src/topology/chain.ts";
import { hashServices } from "../../../src/topology/services-list.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { config, openConfig } from "../api/config.ts";

const OBJECTS = buildObjects(buildChain(2), { namespace: "ns" });
const HASH = hashServices(["chain-link-service-0", "chain-link-service-1"]);

interface ScriptedPod {
  readonly deployment: string;
  /** What it answers to each question; the last answer holds. */
  readonly hashes: readonly string[];
  readonly isReady?: boolean;
}

/** An API server with these pods, by name, that passes questions on to them. */
function start(pods: Record<string, ScriptedPod>, onAsked = () => {}) {
  const asked: string[] = [];
  let lists = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const pathname = decodeURIComponent(new URL(request.url).pathname);
      const name = /pods\/([^:]+):8000\/proxy\/readiness$/.exec(pathname)?.[1];
      if (name === undefined) {
        lists += 1;
        const items = Object.entries(pods).map(([name, pod]) => podObject(name, pod));
        return Response.json({ metadata: { resourceVersion: "1" }, items });
      }
      const { hashes = [] } = pods[name] ?? {};
      const before = asked.filter((it) => it === name).length;
      asked.push(name);
      onAsked();
      const hash = hashes[Math.min(before, hashes.length - 1)] ?? "";
      return new Response("", { headers: { "chain-link-services": hash } });
    },
  });
  const folder = temporaryFolder();
  const clusters = [{ name: "c", cluster: { server: `http://127.0.0.1:${server.port}` } }];
  const client = new ApiClient(openConfig(folder.path, config({}, { clusters })));
  return {
    asked,
    wait: (signal = new AbortController().signal) =>
      waitForServicesList(client, "ns", "chain-link", OBJECTS, signal, () => {}),
    lists: () => lists,
    async [Symbol.asyncDispose]() {
      folder[Symbol.dispose]();
      await server.stop(true);
    },
  };
}

function podObject(name: string, { deployment, isReady = true }: ScriptedPod): object {
  return {
    metadata: {
      name,
      labels: { "pod-template-hash": "x" },
      ownerReferences: [{ kind: "ReplicaSet", name: `${deployment}-x`, uid: "u" }],
    },
    status: { conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] },
  };
}

const LINK = "chain-link-deployment-0";

test("links that serve the list are asked once, those that are late again, all others never", async () => {
  await using site = start({
    fresh: { deployment: LINK, hashes: [HASH] },
    late: { deployment: LINK, hashes: ["old", HASH] },
    unready: { deployment: LINK, hashes: ["old"], isReady: false },
    foreign: { deployment: "other", hashes: ["old"] },
  });
  expect(await site.wait()).toEqual([]);
  expect(site.asked.toSorted()).toEqual(["fresh", "late", "late"]);
  expect(site.lists()).toBe(2);
});

test("a pod that came while others were late is asked, too", async () => {
  const pods: Record<string, ScriptedPod> = { late: { deployment: LINK, hashes: ["old", HASH] } };
  await using site = start(pods, () => {
    pods.young = { deployment: LINK, hashes: [HASH] };
  });
  expect(await site.wait()).toEqual([]);
  expect(site.asked).toContain("young");
});

test("those that are late when the time is over are named", async () => {
  await using site = start({ late: { deployment: LINK, hashes: ["old"] } });
  const late = await site.wait(AbortSignal.timeout(300));
  expect(late).toEqual([{ pod: "late", reason: "serves an older list of services" }]);
});
