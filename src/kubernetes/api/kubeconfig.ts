// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { type Endpoint, hideSecrets, parseEndpoint } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import { findNearest } from "../../lib/suggestion.ts";
import { type ClusterAccess, clusterTls, describeCluster, makeAccess, readImpersonation } from "./access.ts";
import { type Entry, FOLDER, fileOf, PATH, text } from "./entry.ts";
import { openInCluster } from "./in-cluster.ts";
import { type KubeconfigFile, readKubeconfigFile } from "./kubeconfig-file.ts";
import { findClusterProblems, findNamespaceProblems, findUserProblems } from "./kubeconfig-problems.ts";
import { openCredentials } from "./login.ts";
import { parseProxy, proxyOfEnvironment } from "./proxy.ts";

export interface KubeconfigOptions {
  /** A file to read instead of `KUBECONFIG` and `~/.kube/config`. */
  readonly file: string | null;
  /** A context to use instead of the current one. */
  readonly context: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** See {@link CredentialContext}. */
  readonly credentialTimeoutMs?: number;
}

interface Merged extends KubeconfigFile {
  readonly files: readonly string[];
}

/**
 * Reads the kubeconfig as kubectl does: the file given, or all files of `KUBECONFIG` (the first definition of a name wins), or
 * `~/.kube/config`, or the service account of a pod.
 * @throws {UserError} `kubeconfig-invalid`
 */
export function openCluster(options: KubeconfigOptions): ClusterAccess {
  const { environment, file } = options;
  const paths = listPaths(options);
  const found = paths.flatMap((path) => readKubeconfigFile(path) ?? []);
  const merged = merge(paths, found);
  if (merged.contexts.size + merged.clusters.size + merged.users.size > 0 || merged.currentContext !== "")
    return openContext(merged, options);
  const inCluster = file === null && options.context === null ? openInCluster(environment) : null;
  if (inCluster !== null) return inCluster;
  throw new UserError(
    "kubeconfig-invalid",
    `Please ensure that you have a valid kube config file: ${found.length === 0 ? "there is none at" : "nothing is in"} ${paths.join(" or ")}`,
    "Pass --kubeconfig, set KUBECONFIG, or check with 'kubectl config view'.",
  );
}

function listPaths({ file, environment }: KubeconfigOptions): string[] {
  if (file !== null) return [file.startsWith("~/") ? homedir() + file.slice(1) : file];
  const listed = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

function merge(files: readonly string[], found: readonly KubeconfigFile[]): Merged {
  const union = (key: "clusters" | "users" | "contexts") =>
    new Map(found.toReversed().flatMap((file) => [...file[key]]));
  return {
    files,
    currentContext: found.find((file) => file.currentContext !== "")?.currentContext ?? "",
    clusters: union("clusters"),
    users: union("users"),
    contexts: union("contexts"),
  };
}

function openContext(merged: Merged, options: KubeconfigOptions): ClusterAccess {
  const { environment } = options;
  const { name: contextName, context } = chooseContext(merged, options);
  const where = merged.files.join(", ");
  const [clusterName, userName] = [text(context.cluster), text(context.user)];
  const [cluster, user] = [merged.clusters.get(clusterName), merged.users.get(userName)];
  const problems = findNamespaceProblems(context, contextName);
  if (cluster === undefined) problems.push(describeMissing("cluster", clusterName));
  else problems.push(...findClusterProblems(cluster, JSON.stringify(clusterName)));
  if (user === undefined) problems.push(describeMissing("user", userName));
  else problems.push(...findUserProblems(user, JSON.stringify(userName)));
  const endpoint = cluster === undefined ? "" : parseServer(text(cluster.server));
  if (typeof endpoint === "string" && cluster !== undefined && text(cluster.server) !== "")
    problems.push(
      `server of cluster ${JSON.stringify(clusterName)}: expected ${endpoint}, found ${JSON.stringify(hideSecrets(text(cluster.server)))}`,
    );
  const hasServerUser = typeof endpoint !== "string" && Object.keys(endpoint.headers).length > 0;
  if (user !== undefined && isHttps(endpoint) && !hasServerUser && !CREDENTIAL_KEYS.some((key) => user[key]))
    problems.push(`user ${JSON.stringify(userName)} has no credentials`);
  if (problems.length > 0 || cluster === undefined || user === undefined || typeof endpoint === "string") {
    throw new UserError(
      "kubeconfig-invalid",
      `context ${JSON.stringify(contextName)} in ${where}: ${problems.join("; ")}`,
      "Show the context with 'kubectl config view --minify', fix it with 'kubectl config', or choose another one with --context.",
    );
  }
  const server = endpoint.url.replace(/\?.*$/, "").replace(/\/+$/, "");
  const isEncrypted = isHttps(endpoint);
  const asked = text(user.as) === "" ? "" : ` as ${JSON.stringify(user.as)}`;
  const shownUser = `user ${JSON.stringify(userName)} (context ${JSON.stringify(contextName)})${asked}`;
  // Like kubectl, send no credentials over a connection that others can read.
  const sent = isEncrypted ? user : {};
  const isWithheld = !isEncrypted && CREDENTIAL_KEYS.some((key) => user[key]);
  const proxyUrl = text(cluster["proxy-url"]);
  return makeAccess({
    server,
    serverHeaders: hasServerUser ? endpoint.headers : null,
    tls: isEncrypted ? clusterTls(cluster, clusterName, environment) : null,
    proxy: proxyUrl === "" ? proxyOfEnvironment(new URL(server), environment) : parseProxy(proxyUrl),
    environment,
    warnings: isWithheld
      ? [`${server} is plain http: like kubectl, chain-link does not send the credentials of ${shownUser}`]
      : [],
    namespace: text(context.namespace) || null,
    contextName,
    userName: shownUser,
    credentials: openCredentials(sent, {
      userName: shownUser,
      file: (name) => fileOf(user, name),
      path: text(user[PATH]),
      folder: text(user[FOLDER]),
      environment,
      timeoutMs: options.credentialTimeoutMs,
      clusterInfo: describeCluster(cluster, server),
    }),
    impersonation: readImpersonation(user),
  });
}

const CREDENTIAL_KEYS = [
  ...["token", "tokenFile", "username", "client-certificate", "client-certificate-data"],
  ...["exec", "auth-provider"],
];

function isHttps(endpoint: Endpoint | string): boolean {
  return typeof endpoint !== "string" && endpoint.url.startsWith("https:");
}

/** A server without a scheme is plain http, as in kubectl. */
function parseServer(server: string): Endpoint | string {
  return parseEndpoint(/^[a-z][a-z0-9+.-]*:\/\//i.test(server) ? server : `http://${server}`);
}

function describeMissing(kind: "cluster" | "user", name: string): string {
  return name === "" ? `the context names no ${kind}` : `there is no ${kind} ${JSON.stringify(name)}`;
}

function chooseContext(
  { contexts, currentContext, files }: Merged,
  options: KubeconfigOptions,
): { readonly name: string; readonly context: Entry } {
  const name = options.context ?? currentContext;
  const context = contexts.get(name);
  if (context !== undefined) return { name, context };
  const where = files.join(", ");
  const near = findNearest(name, [...contexts.keys()]);
  const also = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
  throw new UserError(
    "kubeconfig-invalid",
    name === "" ? `no current context in ${where}` : `no context ${JSON.stringify(name)} in ${where}${also}`,
    contexts.size === 0
      ? "There are no contexts: check with 'kubectl config get-contexts'."
      : `Choose one with --context: ${[...contexts.keys()].slice(0, 10).join(", ")} (or 'kubectl config use-context')`,
  );
}
