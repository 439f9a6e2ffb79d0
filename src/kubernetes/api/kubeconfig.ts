// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { load } from "js-yaml";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import { findNearest } from "../../lib/suggestion.ts";
import { type Credentials, openCredentials } from "./credentials.ts";

/** How to reach one API server as one user. */
export interface ClusterAccess {
  /** URL without a slash at the end. */
  readonly server: string;
  /** `null` for plain HTTP. */
  readonly tls: ClientTls | null;
  readonly proxy: string | null;
  /** The context's namespace. */
  readonly namespace: string | null;
  /** For messages. */
  readonly contextName: string;
  readonly userName: string;
  /** Headers that say who we are. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** Gets new credentials after a 401; false when there are no others to be had. */
  renew(): Promise<boolean>;
  /** Whether the server has ever answered. */
  hasAnswered: boolean;
}

export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  readonly serverName?: string;
}

export interface KubeconfigOptions {
  /** A file instead of those of `KUBECONFIG` and `~/.kube/config`. */
  readonly file: string | null;
  /** A context instead of the current one. */
  readonly context: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where a pod finds its service account. */
const IN_CLUSTER = "/var/run/secrets/kubernetes.io/serviceaccount";

type Entry = Readonly<Record<string, unknown>>;

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
    content = load(readFileSync(path, "utf8"));
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
    into.set(item.name, { ...entry, [FOLDER]: dirname(path) });
  }
}

/** Key of an entry's own folder; no kubeconfig has one of that name. */
const FOLDER = "\0folder";

function openContext(merged: Merged, { context, environment }: KubeconfigOptions): ClusterAccess {
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
  const server = text(cluster?.server).replace(/\/+$/, "");
  if (cluster === undefined || !URL.canParse(server)) {
    const found =
      cluster === undefined
        ? `no cluster ${JSON.stringify(clusterName)}`
        : `the server ${JSON.stringify(server)}`;
    throw new UserError(
      "kubeconfig-invalid",
      `context ${JSON.stringify(contextName)} in ${where}: expected a cluster with a URL, found ${found}`,
    );
  }
  const userName = text(chosen.user);
  const user = merged.users.get(userName) ?? {};
  const credentials = openCredentials(
    user,
    {
      userName,
      file: (name) => fileOf(user, name),
      server,
      clusterInfo: { server, ...certificateOf(cluster) },
    },
    environment,
  );
  return makeAccess({
    server,
    tls: server.startsWith("https:") ? clusterTls(cluster) : null,
    proxy: text(cluster["proxy-url"]) || null,
    namespace: text(chosen.namespace) || null,
    contextName,
    userName: `user ${JSON.stringify(userName)} (context ${JSON.stringify(contextName)})`,
    credentials,
  });
}

interface AccessParts {
  readonly server: string;
  readonly tls: ClientTls | null;
  readonly proxy: string | null;
  readonly namespace: string | null;
  readonly contextName: string;
  readonly userName: string;
  readonly credentials: Credentials;
}

function makeAccess({ credentials, tls, ...rest }: AccessParts): ClusterAccess {
  return {
    ...rest,
    hasAnswered: false,
    get tls() {
      return tls === null ? null : credentials.joinTls(tls);
    },
    headers: () => credentials.headers(),
    renew: () => credentials.renew(),
  };
}

function clusterTls(cluster: Entry): ClientTls {
  const ca = certificateOf(cluster)["certificate-authority-data"];
  const serverName = text(cluster["tls-server-name"]);
  return {
    ...(ca === undefined ? {} : { ca: Buffer.from(ca, "base64").toString() }),
    ...(cluster["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
    ...(serverName === "" ? {} : { serverName }),
  };
}

/** The certificate authority as base64, from wherever it stands. */
function certificateOf(cluster: Entry): { readonly "certificate-authority-data"?: string } {
  const data = text(cluster["certificate-authority-data"]);
  if (data !== "") return { "certificate-authority-data": data };
  const file = fileOf(cluster, "certificate-authority");
  return file === null ? {} : { "certificate-authority-data": Buffer.from(file).toString("base64") };
}

/** The text of a file that an entry names, `null` when it names none. */
function fileOf(entry: Entry, key: string): string | null {
  const name = text(entry[key]);
  if (name === "") return null;
  const path = isAbsolute(name) ? name : join(text(entry[FOLDER]), name);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UserError(
      "kubeconfig-invalid",
      `${key} of the kubeconfig cannot be read: ${errorText(error)}`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

/** The service account of the pod that this runs in; `null` elsewhere. */
function openInCluster(environment: KubeconfigOptions["environment"]): ClusterAccess | null {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = environment;
  if (host === undefined || host === "") return null;
  const entry: Entry = { tokenFile: "token", ca: "ca.crt", namespace: "namespace", [FOLDER]: IN_CLUSTER };
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const ca = fileOf(entry, "ca") ?? "";
  const userName = "the pod's service account";
  return makeAccess({
    server,
    tls: { ca },
    proxy: null,
    namespace: fileOf(entry, "namespace")?.trim() ?? null,
    contextName: "in-cluster",
    userName,
    credentials: openCredentials(
      entry,
      { userName, file: (name) => fileOf(entry, name), server, clusterInfo: { server } },
      environment,
    ),
  });
}

function choose(contexts: ReadonlyMap<string, Entry>): string {
  return contexts.size === 0
    ? "The file has no contexts."
    : `Choose one with --context: ${[...contexts.keys()].slice(0, 10).join(", ")}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
