// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
import { type ClusterAccess, makeAccess } from "./access.ts";
import { type Entry, FOLDER, fileOf } from "./entry.ts";
import { openCredentials } from "./login.ts";
import { proxyOfEnvironment } from "./proxy.ts";

/** Folder of the service account in a pod. */
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Returns access with the service account of the pod that this process runs in; `null` outside a pod.
 * @throws {UserError} `kubeconfig-invalid` in a pod without a mounted service account
 */
export function openInCluster(
  environment: Readonly<Record<string, string | undefined>>,
  folder = ACCOUNT,
): ClusterAccess | null {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = environment;
  if (host === undefined || host === "") return null;
  const entry: Entry = { tokenFile: "token", ca: "ca.crt", namespace: "namespace", [FOLDER]: folder };
  const userName = "the pod's service account";
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return makeAccess({
    server,
    tls: { ca: fileOf(entry, "ca") ?? "", allowPartialTrustChain: true },
    proxy: proxyOfEnvironment(new URL(server), environment),
    environment,
    serverHeaders: null,
    namespace: fileOf(entry, "namespace")?.trim() ?? null,
    contextName: "in-cluster",
    userName,
    credentials: openCredentials(entry, {
      userName,
      file: (name) => fileOf(entry, name),
      path: "",
      folder,
      environment,
      clusterInfo: {},
    }),
    impersonation: {},
  });
}
