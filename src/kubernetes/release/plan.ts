import { UserError } from "../../lib/errors.ts";
import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { MEMBER_RESOURCES, RESOURCES, type Resource, resourceOf } from "../api/resource.ts";
import { ApiError } from "../api/status.ts";
import type { KubernetesObject } from "../object.ts";
import { addMembership, applySetId, groupKindOf, PART_OF_LABEL, parentOf } from "./apply-set.ts";
import { type Difference, findDifferences } from "./difference.ts";
import { FIELD_MANAGER, findOwned, findScaler, isApplied, listManagers } from "./owned-fields.ts";
import { type Problem, problemsError, readApplyProblems } from "./problem.ts";
import { type Readiness, readReadiness } from "./readiness.ts";
import type { Revision } from "./revision.ts";
import { checkRights, explainRefusal, terminating } from "./rights.ts";
import type { Parent, ReleaseStore } from "./store.ts";

/** `adopt`: it exists and was not ours. `replace`: it cannot be changed, so it is deleted and made again. */
export type Action = "create" | "change" | "replace" | "adopt" | "unchanged";

export interface PlannedObject {
  readonly action: Action;
  readonly resource: Resource;
  /** As it is applied: with the label of its set. */
  readonly object: KubernetesObject;
  /** Takes fields from other managers. */
  readonly force: boolean;
  readonly differences: readonly Difference[];
  /** Of the object that lives. */
  readonly live: LiveReference | null;
}

export interface LiveReference {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly readiness: Readiness;
}

/** A member that is wanted no longer. */
export interface Removal {
  readonly resource: Resource;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** What a deploy would do. Nothing was changed to find it out. */
export interface Plan {
  /** `unknown`: we may not look, and go on. */
  readonly namespaceState: "missing" | "active" | "unknown";
  readonly parent: Parent | null;
  /** There is a lock: another process works on the release, or one died. */
  readonly isLocked: boolean;
  /** Newest first. */
  readonly revisions: readonly Revision[];
  readonly objects: readonly PlannedObject[];
  readonly removals: readonly Removal[];
}

export interface PlanOptions {
  /** Takes fields that others changed. */
  readonly forceConflicts: boolean;
  /** Takes objects that exist and are nobody's release. */
  readonly takeOwnership: boolean;
}

export function hasChanges({ objects, removals, namespaceState }: Plan): boolean {
  return (
    namespaceState === "missing" ||
    removals.length > 0 ||
    objects.some(({ action }) => action !== "unchanged")
  );
}

/** Whether the last revision was finished: otherwise even a plan without changes has something to finish. */
export function isSettled({ revisions, parent }: Pick<Plan, "revisions" | "parent">): boolean {
  return parent !== null && revisions[0]?.status === "deployed";
}

/**
 * Compares what is wanted with what there is.
 * @param objects Without the Namespace, in the order in which they are to be applied
 * @throws {UserError} `release-conflict` with every problem there is; `forbidden`; `namespace-unusable`
 */
export async function makePlan(
  store: ReleaseStore,
  objects: readonly KubernetesObject[],
  options: PlanOptions,
): Promise<Plan> {
  const id = applySetId(parentOf(store.release, store.namespace));
  const wanted = objects.map((object) => addMembership(object, id));
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

async function readNamespace({ client, namespace }: ReleaseStore): Promise<Plan["namespaceState"]> {
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

function planned(object: KubernetesObject): PlannedObject {
  return {
    action: "unchanged",
    resource: resourceOf(object),
    object,
    force: false,
    differences: [],
    live: null,
  };
}

class Planner {
  readonly #store: ReleaseStore;
  readonly #client: ApiClient;
  readonly #id: string;
  readonly #wanted: readonly KubernetesObject[];
  readonly #options: PlanOptions;
  readonly #problems: Problem[] = [];
  /** What became of each wanted object; by kind and name. */
  readonly #found = new Map<string, PlannedObject>();

  constructor(store: ReleaseStore, id: string, wanted: readonly KubernetesObject[], options: PlanOptions) {
    this.#store = store;
    this.#client = store.client;
    this.#id = id;
    this.#wanted = wanted;
    this.#options = options;
  }

  async plan(): Promise<Omit<Plan, "namespaceState">> {
    const [parent, revisions, isLocked] = await Promise.all([
      this.#store.readParent(),
      this.#store.listRevisions(),
      this.#store.isLocked(),
    ]);
    const { candidates, removals } = await this.#compareMembers(parent);
    const strangers = await this.#findStrangers();
    const prior = await this.#readPriorReplicas(candidates, revisions);
    const isChanging =
      candidates.length > 0 ||
      removals.length > 0 ||
      this.#found.size < this.#wanted.length ||
      parent === null;
    // Before the first dry run: a right that is missing is told with all others that are.
    if (isChanging) await checkRights(this.#client, this.#store.namespace, this.#resourceNames());
    await Promise.all([
      ...candidates.map((live) => this.#tryChange(live, prior)),
      ...strangers.map((live) => this.#tryAdoption(live)),
      this.#tryCreations(strangers),
    ]);
    if (this.#problems.length > 0) throw problemsError(this.#problems, this.#options);
    const objects = this.#wanted.map(
      (object) => this.#found.get(keyOf(object)) ?? { ...planned(object), action: "create" as const },
    );
    return { parent, isLocked, revisions, objects, removals };
  }

  #resourceNames(): ReadonlySet<string> {
    return new Set(this.#wanted.map((object) => resourceOf(object).plural));
  }

  /** Reads all members page by page, and keeps only those that differ. */
  async #compareMembers(parent: Parent | null): Promise<{ candidates: LiveObject[]; removals: Removal[] }> {
    const wanted = new Map(this.#wanted.map((object) => [keyOf(object), object]));
    const kinds = new Set([...this.#wanted.map(groupKindOf), ...(parent?.groupKinds ?? [])]);
    const resources = MEMBER_RESOURCES.filter((resource) => kinds.has(groupKindOf(resource)));
    const candidates: LiveObject[] = [];
    const removals: Removal[] = [];
    const lists = resources.map(async (resource) => {
      let own: LiveObject[] = [];
      let gone: Removal[] = [];
      const compare = (live: LiveObject) => {
        const object = wanted.get(keyOf(live));
        const { name, uid, resourceVersion } = live.metadata;
        if (object === undefined) gone.push({ resource, name, uid, resourceVersion });
        else if (
          live.metadata.deletionTimestamp === undefined &&
          isApplied(leaveScaled(object, live), live)
        ) {
          this.#found.set(keyOf(object), { ...planned(leaveScaled(object, live)), live: refer(live) });
        } else own.push(live);
      };
      const restart = () => {
        own = [];
        gone = [];
      };
      const selector = { labelSelector: `${PART_OF_LABEL}=${this.#id}` };
      await this.#client.list(resource, this.#store.namespace, selector, compare, restart);
      candidates.push(...own);
      removals.push(...gone);
    });
    await Promise.all(lists);
    for (const live of candidates) {
      const object = wanted.get(keyOf(live));
      if (object !== undefined)
        this.#found.set(keyOf(live), { ...planned(object), action: "change", live: refer(live) });
    }
    return { candidates, removals };
  }

  /** Objects of wanted names that exist and are no members: one request a kind finds them all. */
  async #findStrangers(): Promise<LiveObject[]> {
    const missing = this.#wanted.filter((object) => !this.#found.has(keyOf(object)));
    const names = new Set(missing.map(keyOf));
    const resources = new Set(missing.map(resourceOf));
    const found: LiveObject[] = [];
    await Promise.all(
      [...resources].map(async (resource) => {
        const objects = await this.#client.listAll(resource, this.#store.namespace, { metadataOnly: true });
        found.push(...objects.filter((object) => names.has(keyOf(object))));
      }),
    );
    return found;
  }

  /**
   * What the last revision asked for, where somebody scaled a Deployment since: only a number that the user changed
   * is applied over theirs.
   */
  async #readPriorReplicas(
    candidates: readonly LiveObject[],
    revisions: readonly Revision[],
  ): Promise<ReadonlyMap<string, unknown>> {
    const last = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
    if (last === undefined || !candidates.some((live) => findScaler(live) !== undefined)) return new Map();
    try {
      const { objects } = await this.#store.readContent(last);
      return new Map(objects.map((object) => [keyOf(object), readReplicas(object)]));
    } catch (error) {
      // Somebody removed or replaced it: then nobody knows, and the scaled number stays.
      if (error instanceof UserError && !(error instanceof ApiError)) return new Map();
      throw error;
    }
  }

  async #tryChange(live: LiveObject, prior: ReadonlyMap<string, unknown>): Promise<void> {
    const key = keyOf(live);
    const found = this.#found.get(key);
    if (found === undefined) return;
    const isScaled = findScaler(live) !== undefined;
    const isAskedFor = isScaled && prior.has(key) && prior.get(key) !== readReplicas(found.object);
    const object = isAskedFor ? found.object : leaveScaled(found.object, live);
    if (live.metadata.deletionTimestamp !== undefined) {
      this.#found.set(key, { ...found, action: "replace" });
      return;
    }
    const force = this.#options.forceConflicts;
    const tried = await this.#try(live, object, force);
    const onlyReplicas =
      tried.problems.length > 0 &&
      tried.problems.every(({ kind, field }) => kind === "conflict" && field === ".spec.replicas");
    const final = isAskedFor && onlyReplicas ? await this.#try(live, object, true) : tried;
    this.#settle(live, { ...found, object, force: final.force }, final);
  }

  async #tryAdoption(metadata: LiveObject): Promise<void> {
    const object = this.#wanted.find((it) => keyOf(it) === keyOf(metadata));
    if (object === undefined) return;
    const set = metadata.metadata.labels?.[PART_OF_LABEL];
    if (set !== undefined && set !== this.#id) {
      const release = metadata.metadata.labels?.["app.kubernetes.io/instance"] ?? set;
      this.#problems.push({ kind: "foreign-release", object, owner: release });
      return;
    }
    if (!this.#options.takeOwnership) {
      this.#problems.push({ kind: "foreign", object, owner: listManagers(metadata).join(", ") || "nobody" });
      return;
    }
    const resource = resourceOf(object);
    const live = await this.#client.get(resource, this.#store.namespace, metadata.metadata.name);
    this.#settle(
      live,
      { ...planned(object), action: "adopt", force: true, live: refer(live) },
      await this.#try(live, object, true),
    );
  }

  /** Of objects that do not exist yet, one of each shape is tried: those alike are refused alike. */
  async #tryCreations(strangers: readonly LiveObject[]): Promise<void> {
    const existing = new Set(strangers.map(keyOf));
    const shapes = new Map<string, KubernetesObject>();
    for (const object of this.#wanted) {
      if (this.#found.has(keyOf(object)) || existing.has(keyOf(object))) continue;
      const shape = shapeOf(object);
      if (!shapes.has(shape)) shapes.set(shape, object);
    }
    await Promise.all(
      shapes.values().map(async (object) => {
        const tried = await this.#try(null, object, false);
        this.#problems.push(...tried.problems);
      }),
    );
  }

  async #try(live: LiveObject | null, object: KubernetesObject, force: boolean): Promise<Trial> {
    try {
      const applied = await this.#client.apply(resourceOf(object), object, {
        manager: FIELD_MANAGER,
        force,
        dryRun: true,
      });
      return { force, applied, problems: [] };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 403 || error.status >= 500) throw error;
      return { force, applied: null, problems: readApplyProblems(object, error, live !== null) };
    }
  }

  #settle(live: LiveObject, found: PlannedObject, { applied, problems }: Trial): void {
    const key = keyOf(found.object);
    if (applied === null) {
      const isReplaceable = found.object.kind === "Pod" || found.object.kind === "Job";
      if (isReplaceable && problems.every(({ kind }) => kind === "immutable")) {
        this.#found.set(key, { ...found, action: "replace" });
        return;
      }
      this.#problems.push(...problems);
      return;
    }
    const differences = findDifferences(live, applied);
    const isSame = differences.length === 0 && Bun.deepEquals(findOwned(live), findOwned(applied));
    // A Pod's image can be changed, but it says that it is ready until its container was started again.
    const isNewPod = found.object.kind === "Pod" && differences.some(({ path }) => path.startsWith("spec."));
    const action = isSame ? "unchanged" : isNewPod ? "replace" : found.action;
    this.#found.set(key, { ...found, differences, action });
  }
}

interface Trial {
  readonly force: boolean;
  readonly applied: LiveObject | null;
  readonly problems: readonly Problem[];
}

/** Without `spec.replicas` where somebody else scales. */
function leaveScaled(object: KubernetesObject, live: LiveObject): KubernetesObject {
  if (object.kind !== "Deployment" || findScaler(live) === undefined) return object;
  const { replicas: _, ...spec } = object.spec as Record<string, never>;
  return { ...object, spec };
}

function readReplicas(object: KubernetesObject): unknown {
  return (object.spec as { readonly replicas?: unknown } | undefined)?.replicas;
}

function refer(live: LiveObject): LiveReference {
  const { uid, resourceVersion } = live.metadata;
  return { uid, resourceVersion, readiness: readReadiness(live, Date.now()) };
}

/** Identifies an object within a namespace. */
export function keyOf({
  kind,
  metadata,
}: {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}): string {
  return `${kind}/${metadata.name}`;
}

/** The fields that an object has, without their values; and whether its name begins with a letter, as a Service's must. */
function shapeOf(object: KubernetesObject): string {
  const paths: string[] = [];
  const walk = (value: unknown, path: string) => {
    if (value === null || typeof value !== "object") paths.push(path);
    else for (const [key, inner] of Object.entries(value)) walk(inner, `${path}/${key}`);
  };
  walk(object, `${object.kind}:${/^[a-z]/.test(object.metadata.name)}`);
  return paths.join("\n");
}
