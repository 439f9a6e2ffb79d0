import type { ApiClient, ListOptions } from "../api/client.ts";
import type { Resource } from "../api/resource.ts";
import { followCollection } from "../api/watch.ts";

/**
 * Resolves when none of the objects exists any more. One that was made again under the same name is another one.
 * @param uids Of the objects that are to go
 * @param onLeft Told which of them are left, whenever one went
 */
export async function waitUntilDeleted(
  client: ApiClient,
  resource: Resource,
  namespace: string,
  options: ListOptions,
  uids: ReadonlySet<string>,
  signal: AbortSignal,
  onLeft: (uids: ReadonlySet<string>) => void = () => {},
): Promise<void> {
  if (uids.size === 0) return;
  const left = new Set(uids);
  const seen = new Set<string>();
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const ended = new Promise<void>((resolve) => both.addEventListener("abort", () => resolve()));
  const following = followCollection(
    client,
    resource,
    namespace,
    options,
    {
      onObject: ({ metadata }) => void seen.add(metadata.uid),
      onGone: ({ metadata }) => {
        if (left.delete(metadata.uid)) onLeft(left);
        if (left.size === 0) end.abort();
      },
      onList: () => {
        for (const uid of left) if (!seen.has(uid)) left.delete(uid);
        seen.clear();
        if (left.size === 0) end.abort();
      },
    },
    both,
  );
  try {
    await Promise.race([ended, following]);
  } finally {
    end.abort();
  }
  signal.throwIfAborted();
}
