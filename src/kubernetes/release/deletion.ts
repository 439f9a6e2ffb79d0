import { UserError } from "../../lib/errors.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, type Resource } from "../api/resource.ts";
import { waitUntilDeleted } from "./deletion-watch.ts";
import { selectorOf } from "./members.ts";
import { Interrupted, type RemoveOptions } from "./operation.ts";
import type { Removal } from "./plan.ts";
import { ownerOf } from "./pod-index.ts";
import type { ReleaseStore } from "./store.ts";

/** How often terminating pods are reported while nothing changes. */
const TELL_MS = 5_000;
/** Maximum number of objects named in the error. */
const MAX_SHOWN = 10;

/**
 * Waits until deleted members are gone, and the release's pods, which end later than the objects that own them.
 * @throws {UserError} `release-failed`, naming the objects that do not end; {@link Interrupted}
 */
export async function waitForDeletion(
  store: ReleaseStore,
  members: readonly Removal[],
  { stop, timeoutMs, report }: RemoveOptions,
): Promise<void> {
  const limit = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const resources = new Set(members.map(({ resource }) => resource));
  const names = new Set(members.map(({ resource, name }) => `${resource.kind}/${name}`));
  // Other objects may carry our labels: manifests from `generate` that somebody applied.
  const isOurs = (pod: LiveObject) =>
    names.has(`Deployment/${ownerOf(pod)}`) ||
    names.has(`Pod/${pod.metadata.name}`) ||
    pod.metadata.deletionTimestamp !== undefined;
  try {
    await Promise.all(
      [...resources].map((resource) => {
        const uids = members.filter((member) => member.resource === resource).map(({ uid }) => uid);
        const selector = { labelSelector: selectorOf(resource, store) };
        return waitUntilDeleted(store.client, resource, store.namespace, selector, new Set(uids), limit);
      }),
    );
    await waitForPods(store, isOurs, limit, report);
  } catch (error) {
    if (stop.aborted) throw new Interrupted();
    if (!limit.aborted) throw error;
    throw notEnded(store, await listEnding(store, resources, isOurs));
  }
}

async function waitForPods(
  store: ReleaseStore,
  isOurs: (pod: LiveObject) => boolean,
  limit: AbortSignal,
  report: RemoveOptions["report"],
): Promise<void> {
  const { client, namespace } = store;
  const labelSelector = podSelector(store);
  const found = await client.listAll(RESOURCES.pod, namespace, { labelSelector, metadataOnly: true });
  const pods = found.filter(isOurs);
  if (pods.length === 0) return;
  let left: ReadonlySet<string> = new Set(pods.map(({ metadata }) => metadata.uid));
  const tell = () =>
    report.onEnding(pods.flatMap(({ metadata: { uid, name } }) => (left.has(uid) ? [name] : [])));
  tell();
  const clock = setInterval(tell, TELL_MS);
  try {
    await waitUntilDeleted(client, RESOURCES.pod, namespace, { labelSelector }, left, limit, (uids) => {
      left = new Set(uids);
      tell();
    });
  } finally {
    clearInterval(clock);
    report.onEnding([]);
  }
}

function podSelector({ release }: ReleaseStore): string {
  return `app.kubernetes.io/instance=${release},app.kubernetes.io/part-of=chain-link`;
}

/** Describes the deleted objects that still exist, with the reason. */
async function listEnding(
  store: ReleaseStore,
  resources: ReadonlySet<Resource>,
  isOurs: (pod: LiveObject) => boolean,
): Promise<string[]> {
  const { client, namespace } = store;
  const lists = [...resources]
    .filter((resource) => resource !== RESOURCES.pod)
    .map((resource) => client.listAll(resource, namespace, { labelSelector: selectorOf(resource, store) }));
  const [pods, ...members] = await Promise.all([
    client.listAll(RESOURCES.pod, namespace, { labelSelector: podSelector(store) }),
    ...lists,
  ]);
  return [...members.flat(), ...pods.filter(isOurs)].map(describeEnding);
}

/** Names an object that has not ended, with the finalizers or the node that hold it. */
export function describeEnding({ kind, metadata, spec }: LiveObject): string {
  const { name, finalizers = [], deletionTimestamp } = metadata;
  if (finalizers.length > 0) return `${kind} ${name}: still has finalizers: ${finalizers.join(", ")}`;
  if (deletionTimestamp === undefined) return `${kind} ${name}: is not being deleted yet`;
  const why = spec?.nodeName === undefined ? "is being deleted" : `node ${spec.nodeName} has not stopped it`;
  return `${kind} ${name}: ${why}`;
}

function notEnded({ release }: ReleaseStore, left: readonly string[]): UserError {
  const lines = [
    `objects of release ${JSON.stringify(release)} did not end in time; the release stays recorded`,
    ...left.slice(0, MAX_SHOWN).map((text) => `  ${text}`),
    ...(left.length > MAX_SHOWN ? [`  and ${left.length - MAX_SHOWN} more`] : []),
  ];
  return new UserError(
    "release-failed",
    lines.join("\n"),
    "Run the same command again, with a longer --timeout if its pods need long to end.",
  );
}
