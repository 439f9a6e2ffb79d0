import { UserError } from "../../lib/errors.ts";
import { type ApiClient, exactly } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { buildParent, PARENT_MANAGER, parentName, readParent } from "./apply-set.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import {
  buildRevision,
  REASON_ANNOTATION,
  RELEASE_LABEL,
  type Revision,
  type RevisionContent,
  type RevisionStatus,
  readContent,
  readRevision,
  STATUS_LABEL,
} from "./revision.ts";
import { explainRefusal } from "./rights.ts";

/** Revisions that are kept besides the last deployed one. */
const KEPT_REVISIONS = 10;

/** What the parent of a release's set says. */
export interface Parent {
  readonly groupKinds: readonly string[];
  readonly live: LiveObject;
}

/** Where a release is recorded: the parent of its set and its revisions. */
export class ReleaseStore {
  constructor(
    readonly client: ApiClient,
    readonly namespace: string,
    readonly release: string,
  ) {}

  /** @throws {UserError} `release-invalid` when it is not ours */
  async readParent(): Promise<Parent | null> {
    const live = await this.client.find(RESOURCES.configMap, this.namespace, parentName(this.release));
    return live === null ? null : { live, groupKinds: readParent(this.release, live.metadata) };
  }

  writeParent(groupKinds: Iterable<string>): Promise<LiveObject> {
    const parent = buildParent(this.release, this.namespace, groupKinds);
    return this.client.apply(RESOURCES.configMap, parent, { manager: PARENT_MANAGER, force: true });
  }

  /** Of exactly the version that was read: a deploy that began in between has changed it. */
  deleteParent({ live }: Parent): Promise<void> {
    return this.client.delete(
      RESOURCES.configMap,
      this.namespace,
      live.metadata.name,
      exactly(live.metadata),
    );
  }

  /** Whether there is a lock, whoever holds it. */
  async isLocked(): Promise<boolean> {
    return (await this.client.find(RESOURCES.lease, this.namespace, parentName(this.release))) !== null;
  }

  /**
   * Newest first.
   * @throws {UserError} `forbidden`, with every right that is missing
   */
  async listRevisions(): Promise<Revision[]> {
    const selector = { labelSelector: `${RELEASE_LABEL}=${this.release}`, metadataOnly: true };
    const secrets = await this.client
      .listAll(RESOURCES.secret, this.namespace, selector)
      .catch(async (error: unknown) => {
        const isRefused = error instanceof ApiError && error.status === 403;
        throw isRefused ? await explainRefusal(this.client, this.namespace, error) : error;
      });
    return secrets.flatMap((secret) => readRevision(secret) ?? []).sort((a, b) => b.number - a.number);
  }

  /** @throws {UserError} `release-not-found`, `release-invalid` */
  async readContent(revision: Pick<Revision, "name" | "number">): Promise<RevisionContent> {
    const secret = await this.client.find(RESOURCES.secret, this.namespace, revision.name);
    if (secret === null) throw noRevision(this, revision.number);
    return readContent(secret, this.release);
  }

  /**
   * Records a revision as pending.
   * @throws {UserError} `release-locked`: another process took the number
   */
  async createRevision(content: RevisionContent, attempt: string): Promise<Revision> {
    const object = buildRevision(content, attempt);
    let secret: LiveObject;
    try {
      secret = await this.client.create(RESOURCES.secret, this.namespace, object, FIELD_MANAGER);
    } catch (error) {
      if (!hasReason(error, "AlreadyExists")) throw error;
      // An attempt of ours may have arrived though its answer did not.
      secret = await this.client.get(RESOURCES.secret, this.namespace, object.metadata.name);
      if (readRevision(secret)?.attempt !== attempt) {
        throw new UserError(
          "release-locked",
          `revision ${content.revision} of release ${JSON.stringify(this.release)} was just made by another process`,
          "Try again when it has finished: chain-link status shows the state.",
        );
      }
    }
    const revision = readRevision(secret);
    if (revision === null) throw new TypeError(`${object.metadata.name} is no name of a revision`);
    return revision;
  }

  async markRevision({ name }: Pick<Revision, "name">, status: RevisionStatus, reason = ""): Promise<void> {
    const metadata = {
      labels: { [STATUS_LABEL]: status },
      annotations: { [REASON_ANNOTATION]: reason === "" ? null : reason.slice(0, 4000) },
    };
    await this.client.mergePatch(RESOURCES.secret, this.namespace, name, { metadata }, FIELD_MANAGER);
  }

  async deleteRevision({ name, uid }: Revision): Promise<void> {
    await this.client.delete(RESOURCES.secret, this.namespace, name, { uid });
  }

  /** Removes what is too old; the last deployed one stays whatever its age. */
  async trimRevisions(revisions: readonly Revision[]): Promise<void> {
    const lastDeployed = revisions.find(({ status }) => status === "deployed");
    const old = revisions.slice(KEPT_REVISIONS).filter((revision) => revision !== lastDeployed);
    await Promise.all(old.map((revision) => this.deleteRevision(revision)));
  }
}

export function noRevision({ release, namespace }: ReleaseStore, revision: number): UserError {
  return new UserError(
    "release-not-found",
    `release ${JSON.stringify(release)} in namespace ${JSON.stringify(namespace)} has no revision ${revision}`,
    "chain-link history lists those that there are.",
  );
}

export function noRelease({ release, namespace }: ReleaseStore): UserError {
  return new UserError(
    "release-not-found",
    `there is no release ${JSON.stringify(release)} in namespace ${JSON.stringify(namespace)}`,
    "Name others with --release and --namespace.",
  );
}
