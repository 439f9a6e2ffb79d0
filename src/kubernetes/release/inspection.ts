import { resourceOf } from "../api/resource.ts";
import type { Target } from "./deployment.ts";
import { keyOf } from "./plan.ts";
import type { Revision, RevisionInputs } from "./revision.ts";
import { explainingRefusals } from "./rights.ts";
import { noRelease, type ReleaseStore } from "./store.ts";
import { ReadinessTracker, type TrackedObject } from "./tracker.ts";

export interface Inspection {
  readonly inputs: RevisionInputs;
  /** In the order in which they are applied. */
  readonly objects: readonly TrackedObject[];
}

/**
 * How far each object of a release is, as far as one look tells.
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
    const { objects, inputs } = asked ?? (await readDeployed(store)) ?? assumed;
    const tracker = new ReadinessTracker({ client, namespace, release, objects });
    const [existing] = await Promise.all([
      findExisting(store, objects),
      tracker.look(AbortSignal.timeout(LOOK_MS)),
    ]);
    const missing = { state: "in-progress", message: "is not there" } as const;
    return {
      inputs,
      objects: tracker
        .list()
        .map((object) =>
          existing.has(`${object.kind}/${object.name}`)
            ? object
            : { ...object, readiness: missing, trouble: "" },
        ),
    };
  });
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
  if (last === undefined) throw noRelease(store);
  const { objects } = await store.readContent(last);
  return { revisions, tracker: new ReadinessTracker({ client, namespace, release, objects, onChange }) };
}

async function readDeployed(store: ReleaseStore): Promise<Target | null> {
  const revisions = await store.listRevisions();
  const last = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  return last === undefined ? null : store.readContent(last);
}

/** Which of the objects exist: one request for each kind. */
async function findExisting(
  { client, namespace }: ReleaseStore,
  objects: Target["objects"],
): Promise<Set<string>> {
  const resources = new Set(objects.map(resourceOf));
  const lists = await Promise.all(
    [...resources].map((resource) => client.listAll(resource, namespace, { metadataOnly: true })),
  );
  return new Set(lists.flat().map(keyOf));
}
