import type { RemotePageOptions } from "../../collector/remote-page.ts";
import { proxyTo } from "../../kubernetes/api/api-server-proxy.ts";
import { readDeployed } from "../../kubernetes/release/released.ts";
import { withMissingRights } from "../../kubernetes/release/rights.ts";
import { describeTopology } from "../../local/chain-control.ts";
import { backendOutsideCluster } from "../common/backend-outside-cluster.ts";
import { type ClusterValues, openRelease } from "../common/cluster-flags.ts";
import type { Output } from "../shell/output.ts";
import { describeSource } from "./page-source.ts";

/**
 * Opens a release through the API server: its graph from the deployed revision, its traces from its backend through the API
 * server's proxy to Services. Forwards no ports and changes nothing.
 * @throws {UserError}
 */
export async function openReleasePage(
  flags: ClusterValues,
  output: Output,
): Promise<Pick<RemotePageOptions, "backend" | "topology" | "about">> {
  const { store } = await openRelease(flags, output);
  const { topology, backend } = await withMissingRights(store, () => readDeployed(store));
  const { kind, service, url } = backend;
  if (service === null) throw backendOutsideCluster(url);
  const proxy = proxyTo(store.client, service.namespace, { kind: "services", ...service });
  const place = `release ${store.release} in namespace ${store.namespace}, through the API server, from its ${kind === "zipkin" ? "Zipkin" : "collector"}`;
  return {
    backend: { kind, hasLive: false, ...proxy },
    topology: describeTopology(topology),
    about: describeSource(false, place),
  };
}
