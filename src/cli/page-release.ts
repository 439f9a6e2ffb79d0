import type { RemotePageOptions } from "../collector/remote-page.ts";
import { passageTo } from "../kubernetes/api/passage.ts";
import { UserError } from "../lib/errors.ts";
import { describeTopology } from "../local/chain-control.ts";
import { type ClusterValues, openRelease } from "./cluster-flags.ts";
import type { Output } from "./output.ts";
import { describeSource } from "./page-source.ts";
import { explained, readDeployed } from "./verify-release.ts";

/**
 * A release as the API server shows it: its graph from the revision that is deployed, its traces from its own backend by the API
 * server's way to a Service. Nothing is forwarded and nothing is changed.
 * @throws {UserError}
 */
export async function openReleasePage(
  flags: ClusterValues,
  output: Output,
): Promise<Pick<RemotePageOptions, "backend" | "topology" | "about">> {
  const { store } = await openRelease(flags, output);
  const { topology, backend } = await explained(store, () => readDeployed(store));
  const { kind, service, url } = backend;
  if (service === null) {
    throw new UserError(
      "backend-unreadable",
      `the links send their spans to ${url || "an unknown place"}, which is no Service of the cluster`,
      "Say with --backend where they can be read from here.",
    );
  }
  const passage = passageTo(store.client, service.namespace, { kind: "services", ...service });
  const place = `release ${store.release} in namespace ${store.namespace}, through the API server, from its ${kind === "zipkin" ? "Zipkin" : "collector"}`;
  return {
    backend: { kind, hasLive: false, ...passage },
    topology: describeTopology(topology),
    about: describeSource(false, place),
  };
}
