import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { ApiClient } from "../api/client.ts";
import { ApiError } from "../api/status.ts";

/** One rule of a Role. `docs/kubernetes.md` shows these very rules. */
interface Rule {
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const CHANGE = ["get", "list", "watch", "create", "patch", "delete"] as const;

/** Everything that a command may do in a release's namespace. */
export const REQUIRED_RULES: readonly Rule[] = [
  { group: "", resources: ["configmaps", "services", "pods"], verbs: CHANGE },
  { group: "apps", resources: ["deployments"], verbs: CHANGE },
  { group: "networking.k8s.io", resources: ["networkpolicies"], verbs: CHANGE },
  { group: "coordination.k8s.io", resources: ["leases"], verbs: CHANGE },
  { group: "", resources: ["secrets"], verbs: ["get", "list", "create", "patch", "delete"] },
  { group: "discovery.k8s.io", resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
  { group: "", resources: ["persistentvolumeclaims"], verbs: CHANGE },
  { group: "", resources: ["events"], verbs: ["get", "list"] },
  { group: "", resources: ["pods/log", "pods/proxy", "services/proxy"], verbs: ["get"] },
  { group: "", resources: ["namespaces"], verbs: ["get"] },
];

/** What only looking needs: no event, log or proxy is worth refusing a deploy for. */
const OPTIONAL = new Set([
  "events",
  "pods/log",
  "services/proxy",
  "namespaces",
  "networkpolicies",
  "persistentvolumeclaims",
]);

/**
 * Asks the server which rights are missing, before anything is changed: one request. A server that cannot tell is
 * believed to allow everything; it will say otherwise when asked.
 * @param needed Resources that are looked at besides those that every release needs
 * @throws {UserError} `forbidden`, with every missing verb
 */
export async function checkRights(
  client: ApiClient,
  namespace: string,
  needed: ReadonlySet<string>,
): Promise<void> {
  const missing = await findMissingRights(client, namespace);
  const relevant = missing.filter(({ resource }) => !OPTIONAL.has(resource) || needed.has(resource));
  if (relevant.length > 0) throw forbidden(client, namespace, relevant);
}

/** What removing a release does to everything but its lock. */
const REMOVAL_VERBS = new Set(["get", "list", "watch", "delete"]);

/**
 * The same before a release is removed, which needs less.
 * @throws {UserError} `forbidden`, with every missing verb
 */
export async function checkRemovalRights(
  client: ApiClient,
  namespace: string,
  needed: ReadonlySet<string>,
): Promise<void> {
  const missing = await findMissingRights(client, namespace);
  const relevant = missing
    .filter(({ resource }) => !resource.includes("/") && (!OPTIONAL.has(resource) || needed.has(resource)))
    .map((right) =>
      right.resource === "leases"
        ? right
        : { ...right, verbs: right.verbs.filter((verb) => REMOVAL_VERBS.has(verb)) },
    )
    .filter(({ verbs }) => verbs.length > 0);
  if (relevant.length > 0) throw forbidden(client, namespace, relevant);
}

interface MissingRight {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

async function findMissingRights(client: ApiClient, namespace: string): Promise<MissingRight[]> {
  const review = await client.json<{ status?: { incomplete?: boolean; resourceRules?: unknown[] } }>({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectRulesReview",
      spec: { namespace },
    },
  });
  if (review.status?.incomplete === true) return [];
  const granted = (review.status?.resourceRules ?? []).filter(isRecord);
  return REQUIRED_RULES.flatMap(({ group, resources, verbs }) =>
    resources.flatMap((resource) => {
      const absent = verbs.filter(
        (verb) =>
          !granted.some(
            (rule) =>
              includes(rule.apiGroups, group) &&
              includesResource(rule.resources, resource) &&
              includes(rule.verbs, verb) &&
              // A rule for certain names does not allow the others.
              !(
                Array.isArray(rule.resourceNames) &&
                rule.resourceNames.length > 0 &&
                resource !== "namespaces"
              ),
          ),
      );
      return absent.length === 0 ? [] : [{ group, resource, verbs: absent }];
    }),
  );
}

/** Does something whose refusal is told with everything else that is missing. */
export async function explainingRefusals<T>(
  client: ApiClient,
  namespace: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    throw await explainRefusal(client, namespace, error);
  }
}

/** A refusal that came in the middle, with everything else that is missing. */
export async function explainRefusal(client: ApiClient, namespace: string, error: ApiError): Promise<Error> {
  if (/being terminated/.test(error.message)) return terminating(namespace);
  const missing = await findMissingRights(client, namespace).catch(() => []);
  if (missing.length > 0) return forbidden(client, namespace, missing, error);
  return new UserError(
    "forbidden",
    error.message,
    "The server refuses it for this user or by its own policy.",
    { cause: error },
  );
}

export function terminating(namespace: string): UserError {
  return new UserError(
    "namespace-unusable",
    `the namespace ${JSON.stringify(namespace)} is being deleted`,
    `Wait until it is gone (kubectl wait --for=delete namespace/${namespace}), or choose another with --namespace.`,
  );
}

function forbidden(
  { access }: ApiClient,
  namespace: string,
  missing: readonly MissingRight[],
  cause?: unknown,
): UserError {
  const lines = missing.map(({ group, resource, verbs }) => {
    const name = group === "" ? resource : `${resource}.${group}`;
    return `  ${name}: ${verbs.join(", ")}`;
  });
  return new UserError(
    "forbidden",
    `${access.userName} may not do all that is needed in namespace ${JSON.stringify(namespace)}; missing are\n${lines.join("\n")}`,
    "docs/kubernetes.md has a Role with everything that chain-link needs.",
    { cause },
  );
}

function includes(list: unknown, item: string): boolean {
  return Array.isArray(list) && (list.includes("*") || list.includes(item));
}

function includesResource(list: unknown, resource: string): boolean {
  const [, sub] = resource.split("/");
  return includes(list, resource) || (sub !== undefined && Array.isArray(list) && list.includes(`*/${sub}`));
}

/** Adds the names of all missing rights to a request that the API server forbids. */
export async function withMissingRights<T>(
  { client, namespace }: { readonly client: ApiClient; readonly namespace: string },
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.status === 403)
      throw await explainRefusal(client, namespace, error);
    throw error;
  }
}
