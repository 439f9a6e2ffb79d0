import type { ApiClient } from "../../kubernetes/api/client.ts";
import { DEFAULT_RELEASE } from "../../kubernetes/labels.ts";
import { isNamespaceName } from "../../kubernetes/names.ts";
import type { ReleaseStore } from "../../kubernetes/release/store.ts";
import { checkedFlag, durationFlag, type FlagValues, switchFlag, textFlag } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";

export const RELEASE_NAME = "a release name: lower-case letters, digits and -, at most 63 characters";

/** The release, and how to reach its cluster. The flags are kubectl's. */
export const CLUSTER_FLAGS = {
  release: checkedFlag(DEFAULT_RELEASE, isNamespaceName, RELEASE_NAME, {
    summary: "Name of the release.",
    placeholder: "NAME",
  }),
  kubeconfig: textFlag(null, {
    summary: "Kubeconfig file; otherwise $KUBECONFIG or ~/.kube/config.",
    placeholder: "FILE",
    completes: "file",
    env: [],
  }),
  context: textFlag(null, {
    summary: "Context of the kubeconfig; otherwise the current context.",
    placeholder: "NAME",
  }),
  // A webhook may take 30 s; after that the server names the one that did not answer.
  "request-timeout": durationFlag(35_000, {
    summary: "Timeout of one request to the API server.",
    fallbackText: "35s",
  }),
} as const;

export const WAIT_FLAGS = {
  timeout: durationFlag(300_000, { summary: "How long to wait for pods.", fallbackText: "5m" }),
} as const;

export const YES_FLAG = {
  yes: switchFlag({ summary: "Do not ask for confirmation.", short: "y" }),
} as const;

export type ClusterValues = FlagValues<typeof CLUSTER_FLAGS> & { readonly namespace: string };

/**
 * Opens a client of the chosen cluster and the store of the release. The Kubernetes code is loaded here, because only
 * some commands need it.
 * @throws {UserError} `kubeconfig-invalid`
 */
export async function openRelease(
  flags: ClusterValues,
  output: Output,
): Promise<{ readonly client: ApiClient; readonly store: ReleaseStore }> {
  const [{ ApiClient }, { openCluster }, { ReleaseStore }] = await Promise.all([
    import("../../kubernetes/api/client.ts"),
    import("../../kubernetes/api/kubeconfig.ts"),
    import("../../kubernetes/release/store.ts"),
  ]);
  const access = openCluster({ file: flags.kubeconfig, context: flags.context, environment: process.env });
  output.detail(`API server ${access.server}, context ${access.contextName}`);
  for (const warning of access.warnings) output.warn(warning);
  // An interactive login may take minutes, longer than the timeout of a request, so it comes first.
  await access.headers();
  const client = new ApiClient(access, {
    requestTimeoutMs: flags["request-timeout"],
    onWarning: (text) => output.warn(text),
    onFirstSuccess: () => output.tellHeld(),
  });
  return { client, store: new ReleaseStore(client, flags.namespace, flags.release) };
}
