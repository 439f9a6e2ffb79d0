// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { load } from "js-yaml";
import { hideSecrets, parseEndpoint } from "../../lib/endpoint.ts";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import { findNearest } from "../../lib/suggestion.ts";
import { type ClusterAccess, clusterTls, describeCluster, makeAccess, readImpersonation } from "./access.ts";
import { type Entry, FOLDER, fileOf, PATH, text } from "./entry.ts";
import { openInCluster } from "./in-cluster.ts";
import { openCredentials } from "./login.ts";

export interface KubeconfigOptions {
  /** A file instead of those of `KUBECONFIG` and `~/.kube/config`. */
  readonly file: string | null;
  /** A context instead of the current one. */
  readonly context: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** See {@link CredentialContext}. */
  readonly credentialTimeoutMs?: number;
}

interface Merged {
  readonly files: readonly string[];
  currentContext: string;
  readonly clusters: Map<string, Entry>;
  readonly users: Map<string, Entry>;
  readonly contexts: Map<string, Entry>;
}

/**
 * Reads the kubeconfig as kubectl does: one file that was named, or all of `KUBECONFIG` (the first that says something
 * wins), or `~/.kube/config`, or in a pod its service account.
 * @throws {UserError} `kubeconfig-invalid`
 */
export function openCluster(options: KubeconfigOptions): ClusterAccess {
  const { environment } = options;
  const paths = listPaths(options);
  const merged: Merged = {
    files: paths,
    currentContext: "",
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
  };
  const isNamed = options.file !== null;
  const found = paths.filter((path) => mergeFile(path, merged, isNamed));
  if (found.length === 0) {
    const inCluster = options.context === null ? openInCluster(environment) : null;
    if (inCluster !== null) return inCluster;
    throw new UserError(
      "kubeconfig-invalid",
      `Please ensure that you have a valid kube config file: found none at ${paths.join(" or ")}`,
      "Name one with --kubeconfig or KUBECONFIG.",
    );
  }
  return openContext(merged, options);
}

function listPaths({ file, environment }: KubeconfigOptions): string[] {
  if (file !== null) return [file.startsWith("~/") ? homedir() + file.slice(1) : file];
  const listed = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

/** False when there is no such file, or it is empty. */
function mergeFile(path: string, merged: Merged, isNamed: boolean): boolean {
  const hint = "Mend the file, or name another with --kubeconfig.";
  let content: unknown;
  try {
    const yaml = readFileSync(path, "utf8");
    if (yaml.trim() === "") return false;
    content = load(yaml);
  } catch (error) {
    if (errorCode(error) === "ENOENT" && !isNamed) return false;
    throw new UserError(
      "kubeconfig-invalid",
      `the kubeconfig ${path} cannot be read: ${errorText(error)}`,
      hint,
      {
        cause: error,
      },
    );
  }
  if (content === undefined || content === null) return false;
  if (!isRecord(content)) {
    throw new UserError(
      "kubeconfig-invalid",
      `the kubeconfig ${path}: expected clusters, users and contexts, found other text`,
      hint,
    );
  }
  const { "current-context": current } = content;
  if (merged.currentContext === "" && typeof current === "string") merged.currentContext = current;
  mergeNamed(content.clusters, "cluster", path, merged.clusters);
  mergeNamed(content.users, "user", path, merged.users);
  mergeNamed(content.contexts, "context", path, merged.contexts);
  return true;
}

function mergeNamed(list: unknown, key: string, path: string, into: Map<string, Entry>): void {
  if (!Array.isArray(list)) return;
  for (const item of list) {
    if (!isRecord(item) || typeof item.name !== "string" || into.has(item.name)) continue;
    const entry = isRecord(item[key]) ? item[key] : {};
    // Files that an entry names are beside the file that names them.
    into.set(item.name, { ...entry, [FOLDER]: dirname(path), [PATH]: path });
  }
}

function openContext(merged: Merged, options: KubeconfigOptions): ClusterAccess {
  const { context, environment } = options;
  const contextName = context ?? merged.currentContext;
  const where = merged.files.join(", ");
  if (contextName === "") {
    throw new UserError("kubeconfig-invalid", `no current context in ${where}`, choose(merged.contexts));
  }
  const chosen = merged.contexts.get(contextName);
  if (chosen === undefined) {
    const near = findNearest(contextName, [...merged.contexts.keys()]);
    const also = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
    throw new UserError(
      "kubeconfig-invalid",
      `no context ${JSON.stringify(contextName)} in ${where}${also}`,
      choose(merged.contexts),
    );
  }
  const clusterName = text(chosen.cluster);
  const cluster = merged.clusters.get(clusterName);
  const endpoint = parseEndpoint(text(cluster?.server));
  if (cluster === undefined || typeof endpoint === "string") {
    const found =
      cluster === undefined
        ? `no cluster ${JSON.stringify(clusterName)}`
        : `the server ${JSON.stringify(hideSecrets(text(cluster.server)))}`;
    throw new UserError(
      "kubeconfig-invalid",
      `context ${JSON.stringify(contextName)} in ${where}: expected a cluster with a URL, found ${found}`,
    );
  }
  const server = endpoint.url;
  const userName = text(chosen.user);
  const user = merged.users.get(userName) ?? {};
  const asked = text(user.as) === "" ? "" : ` as ${JSON.stringify(user.as)}`;
  const shownUser = `user ${JSON.stringify(userName)} (context ${JSON.stringify(contextName)})${asked}`;
  const credentials = openCredentials(user, {
    userName: shownUser,
    file: (name) => fileOf(user, name),
    path: text(user[PATH]),
    folder: text(user[FOLDER]),
    environment,
    timeoutMs: options.credentialTimeoutMs,
    clusterInfo: describeCluster(cluster, server),
  });
  return makeAccess({
    server,
    serverHeaders: endpoint.headers,
    tls: server.startsWith("https:") ? clusterTls(cluster, clusterName) : null,
    proxy: text(cluster["proxy-url"]) || null,
    namespace: text(chosen.namespace) || null,
    contextName,
    userName: shownUser,
    credentials,
    impersonation: readImpersonation(user, shownUser),
  });
}

function choose(contexts: ReadonlyMap<string, Entry>): string {
  return contexts.size === 0
    ? "The file has no contexts."
    : `Choose one with --context: ${[...contexts.keys()].slice(0, 10).join(", ")}`;
}
