import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import { readCertificates, readSystemAuthorities } from "./certificates.ts";
import type { ClientTls, Credentials, IdentityHeaders } from "./credentials.ts";
import { type Entry, fileOf, PATH, text } from "./entry.ts";
import { hasProxyVariables } from "./proxy.ts";

/** Everything needed to reach one API server as one user. */
export interface ClusterAccess {
  /** URL without a trailing slash. */
  readonly server: string;
  /** `null` for plain HTTP. */
  readonly tls: ClientTls | null;
  readonly proxy: URL | null;
  /** Whether requests need features that `fetch` lacks; see {@link SocketClient}. */
  readonly needsSockets: boolean;
  /** The context's namespace. */
  readonly namespace: string | null;
  /** Shown in messages. */
  readonly contextName: string;
  readonly userName: string;
  /** Warnings to print before the first request. */
  readonly warnings: readonly string[];
  /** Authentication headers. */
  headers(): Promise<IdentityHeaders>;
  /** Renews the credentials after a 401. Returns false when there are no others. */
  renew(): Promise<boolean>;
  /** Why the server may refuse the credentials, if they tell. */
  findTrouble(): string | null;
  /** Whether the server has ever answered. */
  hasAnswered: boolean;
}

interface AccessParts
  extends Pick<ClusterAccess, "server" | "tls" | "proxy" | "namespace" | "contextName" | "userName"> {
  readonly environment: Environment;
  readonly credentials: Credentials;
  /** @default none */
  readonly warnings?: readonly string[];
  /** Secret: the user in the server's URL, which takes precedence, as in Go. */
  readonly serverHeaders: Readonly<Record<string, string>> | null;
  readonly impersonation: IdentityHeaders;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function makeAccess({
  credentials,
  serverHeaders,
  tls,
  impersonation,
  environment,
  warnings = [],
  ...rest
}: AccessParts): ClusterAccess {
  return {
    ...rest,
    warnings,
    needsSockets:
      rest.proxy !== null ||
      hasProxyVariables(environment) ||
      Object.values(impersonation).some(Array.isArray),
    hasAnswered: false,
    get tls() {
      return tls === null ? null : credentials.joinTls(tls);
    },
    headers: async () => ({ ...(serverHeaders ?? (await credentials.headers())), ...impersonation }),
    renew: () => credentials.renew(),
    findTrouble: () => credentials.findTrouble(),
  };
}

/** @throws {UserError} `kubeconfig-invalid` when the certificate authority contains no certificate */
export function clusterTls(cluster: Entry, clusterName: string, environment: Environment): ClientTls {
  const serverName = text(cluster["tls-server-name"]);
  const named = serverName === "" ? {} : { serverName };
  if (cluster["insecure-skip-tls-verify"] === true) return { ...named, rejectUnauthorized: false };
  return { ...named, ca: readAuthorities(cluster, clusterName, environment), allowPartialTrustChain: true };
}

function readAuthorities(cluster: Entry, clusterName: string, environment: Environment): string[] {
  const data = certificateOf(cluster)["certificate-authority-data"];
  if (data === undefined) return readSystemAuthorities(environment);
  const found = readCertificates(Buffer.from(data, "base64").toString());
  if (found.length > 0) return found;
  throw new UserError(
    "kubeconfig-invalid",
    `the certificate authority of cluster ${JSON.stringify(clusterName)} in ${text(cluster[PATH])} holds no PEM certificate`,
    `Set it with 'kubectl config set-cluster ${clusterName} --certificate-authority=FILE --embed-certs'.`,
  );
}

/** Returns the certificate authority as base64, from the file or the inline data. */
function certificateOf(cluster: Entry): { readonly "certificate-authority-data"?: string } {
  const data = text(cluster["certificate-authority-data"]);
  if (data !== "") return { "certificate-authority-data": data };
  const file = fileOf(cluster, "certificate-authority");
  return file === null ? {} : { "certificate-authority-data": Buffer.from(file).toString("base64") };
}

/** Impersonation headers: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
export function readImpersonation(user: Entry): IdentityHeaders {
  const { as: name, "as-uid": uid, "as-groups": groups, "as-user-extra": extra } = user;
  if (text(name) === "") return {};
  const headers: Record<string, string | readonly string[]> = { "Impersonate-User": headerValue(name) };
  const add = (header: string, values: unknown) => {
    const [value, ...more] = Array.isArray(values) ? values.map(headerValue) : [];
    if (value !== undefined) headers[header] = more.length === 0 ? value : [value, ...more];
  };
  if (text(uid) !== "") headers["Impersonate-Uid"] = headerValue(uid);
  add("Impersonate-Group", groups);
  for (const [key, values] of Object.entries(isRecord(extra) ? extra : {}))
    add(`Impersonate-Extra-${escapeHeaderName(key)}`, values);
  return headers;
}

/** Encodes names outside ASCII as UTF-8, one character per byte. */
function headerValue(value: unknown): string {
  return Buffer.from(String(value)).toString("latin1");
}

function escapeHeaderName(name: string): string {
  return encodeURIComponent(name).replace(/[()]/g, (it) => `%${it.charCodeAt(0).toString(16)}`);
}

/** The cluster description passed to credential plugins: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/#client-authentication-k8s-io-v1-Cluster */
export function describeCluster(cluster: Entry, server: string): Readonly<Record<string, unknown>> {
  const extensions = Array.isArray(cluster.extensions) ? cluster.extensions.filter(isRecord) : [];
  const config = extensions.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension;
  const passed = ["tls-server-name", "insecure-skip-tls-verify", "proxy-url"] as const;
  return {
    server,
    ...Object.fromEntries(passed.filter((key) => cluster[key]).map((key) => [key, cluster[key]])),
    ...certificateOf(cluster),
    config: config ?? null,
  };
}
