import type { ApiClient, ListOptions } from "./client.ts";
import type { LiveObject } from "./live-object.ts";
import { type Resource, resourcePath } from "./resource.ts";
import { ApiError } from "./status.ts";

/** A collection as it is now: told once whole, then each change. */
export interface Follower {
  onObject(object: LiveObject): void;
  onGone(object: LiveObject): void;
  /** The whole collection was told; `names` are those that exist. */
  onList(names: ReadonlySet<string>): void;
}

/** The server is asked to end a watch after this; it sends a bookmark about once a minute before. */
const WATCH_SECONDS = 240;
/** Nothing at all for so long means that the connection is dead. */
const SILENCE_MS = 90_000;
const MAX_DELAY_MS = 5_000;

/**
 * Lists a collection and watches it until `signal` is aborted. A watch that ends goes on where it was; when the server
 * has forgotten that place, the list is read again.
 * @throws What the list throws: a watch that fails is begun again
 */
export async function followCollection(
  client: ApiClient,
  resource: Resource,
  namespace: string,
  options: ListOptions,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let version = "";
  let failures = 0;
  while (!signal.aborted) {
    if (version === "") {
      const names = new Set<string>();
      const end = await client.list(
        resource,
        namespace,
        options,
        (object) => {
          names.add(object.metadata.name);
          follower.onObject(object);
        },
        () => names.clear(),
      );
      version = end.resourceVersion;
      follower.onList(names);
      // What was listed may be all that was to be known.
      if (signal.aborted) return;
    }
    try {
      version = await watchFrom(client, resource, namespace, options, version, follower, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 410) version = "";
      else if (error instanceof ApiError && error.status === 403) throw error;
      failures += 1;
      await Bun.sleep(Math.min(100 * 2 ** failures, MAX_DELAY_MS));
    }
  }
}

/** Watches until the server ends it; gives the place that was reached. */
async function watchFrom(
  client: ApiClient,
  resource: Resource,
  namespace: string,
  options: ListOptions,
  from: string,
  follower: Follower,
  signal: AbortSignal,
): Promise<string> {
  const query = new URLSearchParams({
    watch: "1",
    allowWatchBookmarks: "true",
    resourceVersion: from,
    timeoutSeconds: String(WATCH_SECONDS),
  });
  if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
  const silence = new AbortController();
  const both = AbortSignal.any([signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  let version = from;
  try {
    const body = await client.stream(`${resourcePath(resource, namespace)}?${query}`, both);
    for await (const line of readLines(body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const { type, object } = JSON.parse(line) as { type: string; object: LiveObject };
      if (type === "ERROR") {
        const { code = 500, reason = "", message = "the watch failed" } = object;
        throw new ApiError(code, reason, message, [], null, "WATCH");
      }
      version = object.metadata.resourceVersion;
      if (type === "DELETED") follower.onGone(object);
      else if (type !== "BOOKMARK") follower.onObject(object);
    }
    return version;
  } finally {
    clearTimeout(timer);
  }
}

async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
