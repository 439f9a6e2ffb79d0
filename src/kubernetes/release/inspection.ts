import type { LiveObject } from "../api/live-object.ts";
import { resourceOf } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import type { Target } from "./deployment.ts";
import { findDrift } from "./drift.ts";
import { findScaler } from "./owned-fields.ts";
import { keyOf } from "./plan.ts";
import { missingRelease, readNamespace } from "./release-namespace.ts";
import type { Revision, RevisionInputs } from "./revision.ts";
import { explainingRefusals } from "./rights.ts";
import { AUTOSCALER } from "./scaling.ts";
import type { ReleaseStore } from "./store.ts";
import { ReadinessTracker, type TrackedObject } from "./tracker.ts";

interface Inspection {
  readonly inputs: RevisionInputs;
  /** In the order in which they are applied. */
  readonly objects: readonly TrackedObject[];
}

/**
 * How far each object of a release is, as far as one look tells, and whether it is as the release wants it.
 * @param asked What is to be there; otherwise it is what the last revision holds
 * @param assumed What is to be there when no revision says it: the objects may have been applied by other means
 */
export async function inspectRelease(
  store: ReleaseStore,
  asked: Target | null,
  assumed: Target,
): Promise<Inspection> {
  const { client, namespace, release } = store;
  return explainingRefusals(client, namespace, async () => {
    const recorded = asked === null ? await readDeployed(store) : null;
    // Otherwise everything would be missing, and nobody would know why.
    if (recorded === null) await readNamespace(store);
    const { objects, inputs } = asked ?? recorded ?? assumed;
    const tracker = new ReadinessTracker({ client, namespace, release, objects });
    const [existing, drift] = await Promise.all([
      findExisting(store, objects),
      recorded === null ? NO_DRIFT : findDrift(store, objects),
      tracker.look(AbortSignal.timeout(LOOK_MS)),
    ]);
    const wanted = new Map(objects.map((object) => [keyOf(object), object]));
    const judge = (object: TrackedObject): TrackedObject => {
      const key = `${object.kind}/${object.name}`;
      const [asWanted, live] = [wanted.get(key), existing.get(key)];
      if (asWanted === undefined || live === undefined) return unready(object, "is not there");
      if (object.readiness.state !== "current") return object;
      const difference = drift.get(key) ?? describeShortfall(asWanted, live, tracker.find(object));
      return difference === null ? object : unready(object, difference);
    };
    return { inputs, objects: tracker.list().map(judge) };
  });
}

const NO_DRIFT: ReadonlyMap<string, string> = new Map();

function unready(object: TrackedObject, message: string): TrackedObject {
  return { ...object, readiness: { state: "in-progress", message }, trouble: "" };
}

/** Fewer pods than the release wants are no drift, as `deploy` leaves them; but what is scaled to none does not run. */
function describeShortfall(
  { kind, spec }: KubernetesObject,
  metadata: LiveObject,
  live: LiveObject | undefined,
): string | null {
  if (kind !== "Deployment" || live === undefined) return null;
  const { replicas: wanted = 1 } = spec as { readonly replicas?: number };
  const { replicas = 1 } = live.spec;
  const scaler = findScaler(metadata)?.manager;
  if (replicas >= wanted || scaler === AUTOSCALER) return null;
  return `is scaled to ${replicas} by ${scaler ?? "kubectl scale"}; the release wants ${wanted}`;
}

/** For a look at a release of thousands of pods. */
const LOOK_MS = 120_000;

/**
 * A tracker of what the last revision holds, which has not looked yet.
 * @throws {UserError} `release-not-found`
 */
export async function readTracked(
  store: ReleaseStore,
  onChange: () => void,
): Promise<{ readonly revisions: readonly Revision[]; readonly tracker: ReadinessTracker }> {
  const { client, namespace, release } = store;
  const revisions = await store.listRevisions();
  const [last] = revisions;
  if (last === undefined) throw await missingRelease(store);
  const { objects } = await store.readContent(last);
  return { revisions, tracker: new ReadinessTracker({ client, namespace, release, objects, onChange }) };
}

async function readDeployed(store: ReleaseStore): Promise<Target | null> {
  const revisions = await store.listRevisions();
  const last = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  return last === undefined ? null : store.readContent(last);
}

/** Those of the objects that exist, without what lies outside their metadata: one request for each kind. */
async function findExisting(
  { client, namespace }: ReleaseStore,
  objects: Target["objects"],
): Promise<ReadonlyMap<string, LiveObject>> {
  const resources = new Set(objects.map(resourceOf));
  const lists = await Promise.all(
    [...resources].map((resource) => client.listAll(resource, namespace, { metadataOnly: true })),
  );
  return new Map(lists.flat().map((object) => [keyOf(object), object]));
}
