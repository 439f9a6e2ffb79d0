import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApiClient } from "../../../src/kubernetes/api/client.ts";
import { openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { RESOURCES } from "../../../src/kubernetes/api/resource.ts";
import { ApiError } from "../../../src/kubernetes/api/status.ts";
import { type Follower, followCollection } from "../../../src/kubernetes/api/watch.ts";
import { waitUntilDeleted } from "../../../src/kubernetes/release/deletion-watch.ts";
import { temporaryFolder } from "../../helpers/cli.ts";

/** A list's names, or a watch's events; a number is a refusal with that status. */
interface Script {
  readonly lists: readonly (readonly string[])[];
  readonly watches: readonly (readonly object[] | number)[];
}

/** Answers lists and watches of Pods one after the other; behind the last watch of the script nothing happens any more. */
class ScriptedServer implements Disposable {
  readonly client: ApiClient;
  /** Resource versions from which was watched. */
  readonly from: string[] = [];
  readonly #done = Promise.withResolvers<void>();
  /** Resolves when a watch behind the last one of the script began. */
  readonly done = this.#done.promise;
  readonly #folder = temporaryFolder();
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor({ lists, watches }: Script) {
    let listed = 0;
    let watched = 0;
    const answer = (request: Request): Response => {
      const { searchParams } = new URL(request.url);
      if (!searchParams.has("watch")) {
        const items = (lists[listed++] ?? []).map((name) => pod(name, listed * 100));
        return Response.json({ metadata: { resourceVersion: String(listed * 100) }, items });
      }
      this.from.push(searchParams.get("resourceVersion") ?? "");
      const script = watches[watched++];
      if (script === undefined) {
        this.#done.resolve();
        return new Response(new ReadableStream({ start() {} }));
      }
      if (typeof script === "number") return new Response("no", { status: script });
      return new Response(script.map((event) => `${JSON.stringify(event)}\n`).join(""));
    };
    this.#server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const file = join(this.#folder.path, "kubeconfig");
    const config = {
      "current-context": "c",
      clusters: [{ name: "c", cluster: { server: this.#server.url.origin } }],
      users: [{ name: "u", user: { token: "t" } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    };
    writeFileSync(file, JSON.stringify(config));
    this.client = new ApiClient(openCluster({ file, context: null, environment: {} }));
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
    this.#folder[Symbol.dispose]();
  }
}

describe("a watched collection", () => {
  test("delivers the list, then each change; a watch that ends resumes", async () => {
    using server = new ScriptedServer({
      lists: [["a", "b"]],
      watches: [
        [event("MODIFIED", "a", 101), event("BOOKMARK", "", 150)],
        [event("DELETED", "b", 151), event("ADDED", "c", 152)],
      ],
    });
    expect(await follow(server)).toEqual(["+a", "+b", "list a,b", "+a", "-b", "+c"]);
    expect(server.from).toEqual(["100", "150", "152"]);
  });

  test("is listed again when the resource version has expired", async () => {
    const expired = {
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
    };
    using server = new ScriptedServer({ lists: [["a"], ["b"]], watches: [[expired]] });
    expect(await follow(server)).toEqual(["+a", "list a", "+b", "list b"]);
    expect(server.from).toEqual(["100", "200"]);
  });

  test("continues after a transient error", async () => {
    using server = new ScriptedServer({ lists: [["a"]], watches: [500, 429, [event("DELETED", "a", 101)]] });
    expect(await follow(server)).toEqual(["+a", "list a", "-a"]);
  });

  test("that may not be watched fails", async () => {
    using server = new ScriptedServer({ lists: [["a"]], watches: [403] });
    const failure = await follow(server).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApiError);
  });
});

describe("waiting until objects are deleted", () => {
  test("treats an object recreated under the same name as another one", async () => {
    using server = new ScriptedServer({
      lists: [["a", "b"]],
      watches: [
        [event("DELETED", "a", 101), event("ADDED", "a", 102, "other")],
        [event("DELETED", "b", 103)],
      ],
    });
    await waitUntilDeleted(server.client, RESOURCES.pod, "n", {}, new Set(["uid-a", "uid-b"]), NEVER);
    expect(server.from).toEqual(["100", "102"]);
  });

  test("notices deletions that happened while the connection was down", async () => {
    const expired = {
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
    };
    using server = new ScriptedServer({ lists: [["a"], []], watches: [[expired]] });
    await waitUntilDeleted(server.client, RESOURCES.pod, "n", {}, new Set(["uid-a"]), NEVER);
  });

  test("needs no watch when all objects are already gone", async () => {
    using server = new ScriptedServer({ lists: [["b"]], watches: [] });
    await waitUntilDeleted(server.client, RESOURCES.pod, "n", {}, new Set(["uid-a"]), NEVER);
    // Whatever was begun would have arrived by the time that another request is answered.
    await server.client.listAll(RESOURCES.pod, "n");
    expect(server.from).toEqual([]);
  });

  test("ends at its time limit", async () => {
    using server = new ScriptedServer({ lists: [["a"]], watches: [] });
    const limit = new AbortController();
    void server.done.then(() => limit.abort(new Error("too long")));
    const waiting = waitUntilDeleted(server.client, RESOURCES.pod, "n", {}, new Set(["uid-a"]), limit.signal);
    await expect(waiting).rejects.toThrow("too long");
  });
});

const NEVER = new AbortController().signal;

/** What was told until the server was asked for one watch more than its script has. */
async function follow(server: ScriptedServer): Promise<string[]> {
  const told: string[] = [];
  const follower: Follower = {
    onObject: ({ metadata }) => told.push(`+${metadata.name}`),
    onGone: ({ metadata }) => told.push(`-${metadata.name}`),
    onList: (names) => told.push(`list ${[...names].join(",")}`),
  };
  const end = new AbortController();
  const following = followCollection(server.client, RESOURCES.pod, "n", {}, follower, end.signal);
  await Promise.race([server.done, following]);
  end.abort();
  await following;
  return told;
}

function pod(name: string, version: number, uid = `uid-${name}`) {
  return { metadata: { name, uid, resourceVersion: String(version) } };
}

function event(type: string, name: string, version: number, uid?: string) {
  return { type, object: pod(name, version, uid) };
}
