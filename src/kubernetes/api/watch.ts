import type { ApiClient, ListOptions } from "./client.ts";
import type { LiveObject } from "./live-object.ts";
import { type Resource, resourcePath } from "./resource.ts";
import { ApiError } from "./status.ts";

/** Receives a collection: first all of it, then each change. */
export interface Follower {
  onObject(object: LiveObject): void;
  onGone(object: LiveObject): void;
  /** The whole collection was delivered; `names` are the existing objects. */
  onList(names: ReadonlySet<string>): void;
}

/** The server ends a watch after this time. It sends a bookmark about once a minute. */
const WATCH_SECONDS = 240;
/** A watch that receives nothing for this long is dead. */
const SILENCE_MS = 90_000;
const MAX_DELAY_MS = 5_000;

/**
 * Lists a collection and watches it until `signal` is aborted. A watch that ends resumes at its last resource version; when
 * that has expired, the collection is listed again.
 * @throws what the list throws; a failed watch is restarted
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
      // The list may have been all that the caller needed.
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

/** Watches until the server ends it. Returns the last resource version. */
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
