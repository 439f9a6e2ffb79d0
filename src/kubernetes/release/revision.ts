import { gunzipSync, gzipSync } from "node:zlib";
import { errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { LiveMetadata, LiveObject } from "../api/live-object.ts";
import { MANAGED_BY, MANAGER } from "../labels.ts";
import type { KubernetesObject } from "../object.ts";

/** What became of a revision. `pending` without a living holder of the lock means that its process died. */
export type RevisionStatus = "pending" | "deployed" | "superseded" | "failed" | "interrupted";

/** What a revision was made from, for people. */
export interface RevisionInputs {
  readonly topology: string;
  readonly links: number;
  readonly image: string;
  readonly sleepSeconds: number;
  /** Why it was made, if not by a plain deploy: `rollback to 3`. */
  readonly note?: string;
}

/** A revision as its labels and annotations describe it. */
export interface Revision {
  readonly number: number;
  readonly name: string;
  readonly status: RevisionStatus;
  /** Why it failed. */
  readonly reason: string;
  readonly inputs: RevisionInputs | null;
  readonly created: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Who made it: tells an own attempt, whose answer was lost, from another's. */
  readonly attempt: string;
}

/** Everything that a revision applies. */
export interface RevisionContent {
  readonly release: string;
  readonly namespace: string;
  readonly revision: number;
  readonly inputs: RevisionInputs;
  readonly objects: readonly KubernetesObject[];
}

export const RELEASE_LABEL = "chain-link.dev/release";
const REVISION_LABEL = "chain-link.dev/revision";
export const STATUS_LABEL = "chain-link.dev/status";
export const REASON_ANNOTATION = "chain-link.dev/reason";
const INPUTS_ANNOTATION = "chain-link.dev/inputs";
const ATTEMPT_ANNOTATION = "chain-link.dev/attempt";
const REVISION_TYPE = "chain-link.dev/revision.v1";
const DATA_KEY = "revision";

/** Largest `data` of a Secret that the API server accepts. */
const MAX_REVISION_BYTES = 1024 * 1024;
/** For what a revision holds besides its objects: names, number and inputs. */
const SPARE_BYTES = 16 * 1024;

const STATUSES: readonly RevisionStatus[] = ["pending", "deployed", "superseded", "failed", "interrupted"];

function revisionName(release: string, revision: number): string {
  return `chain-link.${release}.v${revision}`;
}

/**
 * Throws if a revision of these objects would not fit into a Secret. `deploy` and `dry-run` call it before anything is changed.
 * @throws {UserError} `topology-invalid`
 */
export function assertRevisionFits(objects: readonly KubernetesObject[]): void {
  const text = JSON.stringify(objects);
  // What is that small need not be compressed to know.
  if (text.length > MAX_REVISION_BYTES / 4) assertFits(compress(text).length + SPARE_BYTES);
}

function assertFits(sizeBytes: number): void {
  if (sizeBytes <= MAX_REVISION_BYTES) return;
  throw new UserError(
    "topology-invalid",
    `the release is too large: compressed, it takes ${sizeBytes} bytes; the Secret that records a revision holds at most ${MAX_REVISION_BYTES}`,
    "Use fewer services, or split the topology into several releases, each in its own namespace.",
  );
}

function compress(text: string): Buffer {
  return gzipSync(text, { level: 6 });
}

/**
 * Builds the Secret that holds a revision. Its data is immutable, its labels are not.
 * @throws {UserError} `topology-invalid` if it is larger than a Secret may be
 */
export function buildRevision(content: RevisionContent, attempt: string): KubernetesObject {
  const { release, namespace, revision, inputs } = content;
  const bytes = compress(JSON.stringify(content));
  assertFits(bytes.length);
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: REVISION_TYPE,
    immutable: true,
    metadata: {
      name: revisionName(release, revision),
      namespace,
      labels: {
        [MANAGED_BY]: MANAGER,
        [RELEASE_LABEL]: release,
        [REVISION_LABEL]: String(revision),
        [STATUS_LABEL]: "pending",
      },
      annotations: { [INPUTS_ANNOTATION]: JSON.stringify(inputs), [ATTEMPT_ANNOTATION]: attempt },
    },
    data: { [DATA_KEY]: bytes.toString("base64") },
  };
}

/** What the metadata of a Secret says of a revision; `null` when it is none. */
export function readRevision({ metadata }: { readonly metadata: LiveMetadata }): Revision | null {
  const { labels = {}, annotations = {}, name, uid, resourceVersion } = metadata;
  const number = Number(/\.v(\d+)$/.exec(name)?.[1]);
  if (!Number.isSafeInteger(number) || number < 1) return null;
  return {
    number,
    name,
    // A label that somebody changed says nothing: then it is only known that it was not finished.
    status: STATUSES.find((status) => status === labels[STATUS_LABEL]) ?? "interrupted",
    reason: annotations[REASON_ANNOTATION] ?? "",
    inputs: readInputs(annotations[INPUTS_ANNOTATION]),
    created: metadata.creationTimestamp,
    uid,
    resourceVersion,
    attempt: annotations[ATTEMPT_ANNOTATION] ?? "",
  };
}

function readInputs(text: string | undefined): RevisionInputs | null {
  try {
    const inputs: unknown = JSON.parse(text ?? "");
    if (!isRecord(inputs) || typeof inputs.links !== "number" || typeof inputs.image !== "string")
      return null;
    return inputs as unknown as RevisionInputs;
  } catch {
    return null;
  }
}

/**
 * What a revision's Secret holds.
 * @throws {UserError} `release-invalid`: somebody replaced the Secret
 */
export function readContent(secret: LiveObject, release: string): RevisionContent {
  const { name } = secret.metadata;
  const invalid = (found: string, cause?: unknown) =>
    new UserError(
      "release-invalid",
      `the Secret ${JSON.stringify(name)} is to hold a revision of release ${JSON.stringify(release)}, but ${found}: somebody changed it`,
      "Choose another revision (chain-link history), or deploy again: that needs no revision of before.",
      { cause },
    );
  let content: unknown;
  try {
    content = JSON.parse(gunzipSync(Buffer.from(secret.data?.[DATA_KEY] ?? "", "base64")).toString());
  } catch (error) {
    throw invalid(`it cannot be read (${errorText(error)})`, error);
  }
  if (!isRecord(content) || !Array.isArray(content.objects)) throw invalid("it lists no objects");
  const known = content as unknown as RevisionContent;
  if (known.release !== release || revisionName(known.release, known.revision) !== name) {
    throw invalid(`it holds revision ${known.revision} of ${JSON.stringify(known.release)}`);
  }
  return known;
}
