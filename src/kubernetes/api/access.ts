import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { ClientTls, Credentials } from "./credentials.ts";
import { type Entry, fileOf, PATH, text } from "./entry.ts";

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
  /** Why the credentials may be refused. */
  findTrouble(): string | null;
  /** Whether the server has ever answered. */
  hasAnswered: boolean;
}

interface AccessParts {
  readonly server: string;
  readonly tls: ClientTls | null;
  readonly proxy: string | null;
  readonly namespace: string | null;
  readonly contextName: string;
  readonly userName: string;
  readonly credentials: Credentials;
  /** For the user in the server's URL, which gives way to the context's. Secret. @default none */
  readonly serverHeaders?: Readonly<Record<string, string>>;
  readonly impersonation: Readonly<Record<string, string>>;
}

export function makeAccess({
  credentials,
  serverHeaders,
  tls,
  impersonation,
  ...rest
}: AccessParts): ClusterAccess {
  return {
    ...rest,
    hasAnswered: false,
    get tls() {
      return tls === null ? null : credentials.joinTls(tls);
    },
    headers: async () => ({ ...serverHeaders, ...(await credentials.headers()), ...impersonation }),
    renew: () => credentials.renew(),
    findTrouble: () => credentials.findTrouble(),
  };
}

/** @throws {UserError} for a certificate authority that nobody would check, as kubectl does */
export function clusterTls(cluster: Entry, clusterName: string): ClientTls {
  const ca = certificateOf(cluster)["certificate-authority-data"];
  const serverName = text(cluster["tls-server-name"]);
  const isUnchecked = cluster["insecure-skip-tls-verify"] === true;
  if (isUnchecked && ca !== undefined) {
    throw new UserError(
      "kubeconfig-invalid",
      `cluster ${JSON.stringify(clusterName)} in ${text(cluster[PATH])} has a certificate authority together with insecure-skip-tls-verify`,
      "Remove insecure-skip-tls-verify, so that the server's certificate is checked, or the certificate authority.",
    );
  }
  return {
    ...(ca === undefined ? {} : { ca: Buffer.from(ca, "base64").toString() }),
    ...(isUnchecked ? { rejectUnauthorized: false } : {}),
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

/** Headers of who we ask to be: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
export function readImpersonation(user: Entry, userName: string): Record<string, string> {
  const { as: name, "as-uid": uid, "as-groups": groups, "as-user-extra": extra } = user;
  if (typeof name !== "string" || name === "") return {};
  // One header for each would be needed, and fetch joins them to one.
  const several = (what: string) =>
    new UserError("kubeconfig-invalid", `${userName} impersonates ${what}; chain-link can send one`);
  const [group, ...more] = Array.isArray(groups) ? groups.map(String) : [];
  if (more.length > 0) throw several(`${more.length + 1} groups`);
  const headers: Record<string, string> = { "Impersonate-User": name };
  if (typeof uid === "string") headers["Impersonate-Uid"] = uid;
  if (group !== undefined) headers["Impersonate-Group"] = group;
  for (const [key, values] of Object.entries(isRecord(extra) ? extra : {})) {
    const [value = "", ...others] = Array.isArray(values) ? values.map(String) : [];
    if (others.length > 0) throw several(`${others.length + 1} values of ${JSON.stringify(key)}`);
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = value;
  }
  return headers;
}

/** What a plugin is told: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/#client-authentication-k8s-io-v1-Cluster */
export function describeCluster(cluster: Entry, server: string): Readonly<Record<string, unknown>> {
  const extensions = Array.isArray(cluster.extensions) ? cluster.extensions.filter(isRecord) : [];
  const config = extensions.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension;
  const passed = ["tls-server-name", "insecure-skip-tls-verify", "proxy-url"] as const;
  return {
    server,
    ...Object.fromEntries(
      passed.filter((key) => cluster[key] !== undefined).map((key) => [key, cluster[key]]),
    ),
    ...certificateOf(cluster),
    ...(config === undefined ? {} : { config }),
  };
}
