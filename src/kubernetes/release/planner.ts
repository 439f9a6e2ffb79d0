import type { LiveObject } from "../api/live-object.ts";
import { isKept, resourceOf } from "../api/resource.ts";
import { ApiError } from "../api/status.ts";
import type { KubernetesObject } from "../object.ts";
import { addMembership, applySetId, PART_OF_LABEL, parentOf } from "./apply-set.ts";
import { type DryRunResult, dryRunApply, judgeDryRun, shapeOf } from "./dry-run.ts";
import { compareMembers } from "./members.ts";
import { listManagers } from "./owned-fields.ts";
import { keyOf, type Plan, type PlannedObject, type PlanOptions, planned, refer } from "./plan.ts";
import { addSpecHash } from "./pod-spec.ts";
import { type Problem, problemsError } from "./problem.ts";
import { describeEnd, hasEnded } from "./readiness.ts";
import { readNamespace } from "./release-namespace.ts";
import { assertRevisionFits } from "./revision.ts";
import { checkRights, explainRefusal } from "./rights.ts";
import { isRescaled, leaveScaled, readPriorReplicas } from "./scaling.ts";
import type { ReleaseStore } from "./store.ts";

/**
 * Compares the desired state with the live state.
 * @param objects Without the Namespace, in the order in which they are to be applied
 * @throws {UserError} `release-conflict` with every problem; `topology-invalid` if no Secret can record the release;
 *   `forbidden`; `namespace-unusable`
 */
export async function makePlan(
  store: ReleaseStore,
  objects: readonly KubernetesObject[],
  options: PlanOptions,
): Promise<Plan> {
  assertRevisionFits(objects);
  const id = applySetId(parentOf(store.release, store.namespace));
  const wanted = objects.map((object) => (isKept(object) ? object : addMembership(addSpecHash(object), id)));
  const namespaceState = await readNamespace(store);
  if (namespaceState === "missing") {
    const all = wanted.map((object) => ({ ...planned(object), action: "create" as const }));
    return { namespaceState, parent: null, isLocked: false, revisions: [], objects: all, removals: [] };
  }
  try {
    return { namespaceState, ...(await new Planner(store, id, wanted, options).plan()) };
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) {
      throw await explainRefusal(store.client, store.namespace, error);
    }
    throw error;
  }
}

class Planner {
  readonly #store: ReleaseStore;
  readonly #id: string;
  /** By {@link keyOf}, in the order in which they are applied. */
  readonly #wanted: ReadonlyMap<string, KubernetesObject>;
  readonly #options: PlanOptions;
  readonly #problems: Problem[] = [];
  /** What became of each wanted object. */
  #found = new Map<string, PlannedObject>();

  constructor(store: ReleaseStore, id: string, wanted: readonly KubernetesObject[], options: PlanOptions) {
    this.#store = store;
    this.#id = id;
    this.#wanted = new Map(wanted.map((object) => [keyOf(object), object]));
    this.#options = options;
  }

  async plan(): Promise<Omit<Plan, "namespaceState">> {
    const [parent, revisions, isLocked] = await Promise.all([
      this.#store.readParent(),
      this.#store.listRevisions(),
      this.#store.isLocked(),
    ]);
    const { takeOwnership, forceConflicts } = this.#options;
    const members = await compareMembers(this.#store, this.#wanted, parent, takeOwnership);
    const { found, removals, scaled } = members;
    this.#found = found;
    const strangers = await this.#findStrangers();
    const prior = await readPriorReplicas(this.#store, [...members.candidates, ...scaled], revisions);
    const rescaled = (live: LiveObject) => {
      const object = this.#wanted.get(keyOf(live));
      return object !== undefined && isRescaled(object, live, prior, forceConflicts);
    };
    const candidates = [...members.candidates, ...scaled.filter(rescaled)];
    const isChanging =
      candidates.length > 0 || removals.length > 0 || found.size < this.#wanted.size || parent === null;
    // Before the first dry run: a right that is missing is told with all others that are.
    if (isChanging) await checkRights(this.#store.client, this.#store.namespace, this.#resourceNames());
    await Promise.all([
      ...candidates.map((live) => this.#tryChange(live, rescaled(live))),
      ...strangers.map((live) => this.#tryAdoption(live)),
      this.#tryCreations(strangers),
    ]);
    if (this.#problems.length > 0) throw problemsError(this.#problems, this.#options);
    const objects = Array.from(
      this.#wanted,
      ([key, object]) => this.#found.get(key) ?? { ...planned(object), action: "create" as const },
    );
    return { parent, isLocked, revisions, objects, removals };
  }

  #resourceNames(): ReadonlySet<string> {
    return new Set(this.#wanted.values().map((object) => resourceOf(object).plural));
  }

  /** Objects of wanted names that exist and are no members: one request a kind finds them all. */
  async #findStrangers(): Promise<LiveObject[]> {
    const missing = [...this.#wanted.values()].filter((object) => !this.#found.has(keyOf(object)));
    const names = new Set(missing.map(keyOf));
    const resources = new Set(missing.map(resourceOf));
    const found: LiveObject[] = [];
    await Promise.all(
      [...resources].map(async (resource) => {
        const { client, namespace } = this.#store;
        const objects = await client.listAll(resource, namespace, { metadataOnly: true });
        found.push(...objects.filter((object) => names.has(keyOf(object))));
      }),
    );
    return found;
  }

  /** @param isRescaled The number of replicas goes over that of whoever scaled it */
  async #tryChange(live: LiveObject, isRescaled: boolean): Promise<void> {
    const key = keyOf(live);
    const found = this.#found.get(key);
    const wanted = this.#wanted.get(key);
    if (found === undefined || wanted === undefined) return;
    const object = isRescaled ? wanted : leaveScaled(wanted, live);
    if (live.metadata.deletionTimestamp !== undefined || hasEnded(live)) {
      this.#found.set(key, { ...found, action: "replace", differences: describeEnd(live) });
      return;
    }
    const { client } = this.#store;
    const force = this.#options.forceConflicts || found.action === "adopt";
    const tried = await dryRunApply(client, object, true, force);
    const onlyReplicas =
      tried.problems.length > 0 &&
      tried.problems.every(({ kind, field }) => kind === "conflict" && field === ".spec.replicas");
    const final = isRescaled && onlyReplicas ? await dryRunApply(client, object, true, true) : tried;
    this.#settle(live, { ...found, action: found.action === "adopt" ? "adopt" : "change", object }, final);
  }

  async #tryAdoption(stranger: LiveObject): Promise<void> {
    const { metadata } = stranger;
    const object = this.#wanted.get(keyOf(stranger));
    if (object === undefined) return;
    const set = metadata.labels?.[PART_OF_LABEL];
    if (set !== undefined && set !== this.#id) {
      const release = metadata.labels?.["app.kubernetes.io/instance"] ?? set;
      this.#problems.push({ kind: "foreign-release", object, owner: release });
      return;
    }
    const { client, namespace } = this.#store;
    const resource = resourceOf(object);
    if (!this.#options.takeOwnership) {
      const owner = listManagers(stranger).join(", ") || "nobody";
      this.#problems.push({ kind: "foreign", object, owner });
      return;
    }
    const live = await client.get(resource, namespace, metadata.name);
    const found: PlannedObject = { ...planned(object), action: "adopt", live: refer(live) };
    if (hasEnded(live)) {
      this.#found.set(keyOf(object), { ...found, action: "replace", differences: describeEnd(live) });
      return;
    }
    this.#settle(live, found, await dryRunApply(client, object, true, true));
  }

  /** Of objects that do not exist yet, one of each shape is tried: those alike are refused alike. */
  async #tryCreations(strangers: readonly LiveObject[]): Promise<void> {
    const existing = new Set(strangers.map(keyOf));
    const shapes = new Map<string, KubernetesObject>();
    for (const [key, object] of this.#wanted) {
      if (this.#found.has(key) || existing.has(key)) continue;
      const shape = shapeOf(object);
      if (!shapes.has(shape)) shapes.set(shape, object);
    }
    await Promise.all(
      shapes.values().map(async (object) => {
        const { problems } = await dryRunApply(this.#store.client, object, false, false);
        this.#problems.push(...problems);
      }),
    );
  }

  #settle(live: LiveObject, found: PlannedObject, trial: DryRunResult): void {
    const judged = judgeDryRun(live, found, trial);
    if (judged === null) this.#problems.push(...trial.problems);
    else this.#found.set(keyOf(found.object), judged);
  }
}
