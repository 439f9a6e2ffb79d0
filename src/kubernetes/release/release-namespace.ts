import { UserError } from "../../lib/errors.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { buildNamespace } from "../namespace.ts";
import { Interrupted, type RemoveOptions, type Reporter } from "./operation.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import type { NamespaceState } from "./plan.ts";
import { RELEASE_LABEL } from "./revision.ts";
import { terminating } from "./rights.ts";
import { noRelease, type ReleaseStore } from "./store.ts";

/** Annotation of a Namespace that a release made; only such a one is ever deleted. */
const CREATED_BY = "chain-link.dev/created-by";

/** @throws {UserError} `namespace-unusable` when it is being deleted */
export async function readNamespace({ client, namespace }: ReleaseStore): Promise<NamespaceState> {
  try {
    const found = await client.find(RESOURCES.namespace, null, namespace);
    if (found === null) return "missing";
    if (found.status?.phase === "Terminating") throw terminating(namespace);
    return "active";
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return "unknown";
    throw error;
  }
}

export async function createNamespace(
  { client, namespace, release }: ReleaseStore,
  report: Reporter,
): Promise<void> {
  const bare = buildNamespace(namespace);
  const object = { ...bare, metadata: { ...bare.metadata, annotations: { [CREATED_BY]: release } } };
  try {
    await client.create(RESOURCES.namespace, null, object, FIELD_MANAGER);
    report.onNamespaceCreated(namespace);
  } catch (error) {
    // Somebody else made it, or an attempt of ours arrived though its answer did not.
    if (hasReason(error, "AlreadyExists")) return;
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    throw new UserError(
      "forbidden",
      `the namespace ${JSON.stringify(namespace)} does not exist, and ${client.access.userName} may not create it`,
      `Ask for it (kubectl create namespace ${namespace}), or name one that exists with --namespace.`,
      { cause: error },
    );
  }
}

/**
 * Deletes a Namespace that the release made.
 * @throws {UserError} `namespace-unusable` when it is not the release's to delete
 */
export async function removeNamespace(store: ReleaseStore, options: RemoveOptions): Promise<void> {
  const { client, namespace, release } = store;
  const found = await findNamespace(store);
  if (found === null) return;
  const refuse = (why: string) =>
    new UserError(
      "namespace-unusable",
      `the namespace ${JSON.stringify(namespace)} stays: ${why}`,
      `kubectl delete namespace ${namespace} removes it with everything in it.`,
    );
  const creator = found.metadata.annotations?.[CREATED_BY];
  if (creator !== release) throw refuse("this release did not make it");
  const others = await client.listAll(RESOURCES.secret, namespace, {
    labelSelector: RELEASE_LABEL,
    metadataOnly: true,
  });
  const [other] = others.map(({ metadata }) => metadata.labels?.[RELEASE_LABEL]);
  if (other !== undefined) throw refuse(`release ${JSON.stringify(other)} is in it, too`);
  await client.delete(RESOURCES.namespace, null, namespace, { uid: found.metadata.uid });
  options.report.onDeleted("Namespace", namespace);
  if (!options.wait) return;
  const limit = AbortSignal.any([options.stop, AbortSignal.timeout(options.timeoutMs)]);
  // Watching one Namespace would need the right to watch them all.
  while (!limit.aborted && (await client.find(RESOURCES.namespace, null, namespace)) !== null)
    await Bun.sleep(500);
  if (options.stop.aborted) throw new Interrupted();
  if (limit.aborted) throw terminating(namespace);
}

/** Returns why there is nothing of a release: its namespace is being deleted, or it was never deployed. */
export async function missingRelease(store: ReleaseStore): Promise<UserError> {
  const namespace = await findNamespace(store);
  return namespace?.status?.phase === "Terminating" ? terminating(store.namespace) : noRelease(store);
}

/** Returns `null` also if we may not read namespaces. */
async function findNamespace({ client, namespace }: ReleaseStore): Promise<LiveObject | null> {
  try {
    return await client.find(RESOURCES.namespace, null, namespace);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return null;
    throw error;
  }
}
