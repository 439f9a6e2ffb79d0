import { LINK_PORT } from "../../lib/default-address.ts";
import { type ApiServerProxy, proxyTo } from "../api/api-server-proxy.ts";
import { RESOURCES } from "../api/resource.ts";
import { LOAD_GENERATOR, LOAD_GENERATOR_PORT } from "../load-generator.ts";
import { VERIFY_LABEL } from "./load-pod.ts";
import type { ReleaseStore } from "./store.ts";

/** One running pod of a release, and the way to the port that it serves. */
interface ReleasePod {
  readonly name: string;
  /** Another one when its container was started again. */
  readonly process: string;
  /** The link that it is; `null` for others. */
  readonly link: string | null;
  readonly proxy: ApiServerProxy;
}

/** Pods that may serve the ledger of a run: the load generator, and one that currently sends requests for a verification. */
export async function findLedgerPods(store: ReleaseStore): Promise<ReleasePod[]> {
  const lists = await Promise.all([
    findPods(
      store,
      `app.kubernetes.io/instance=${store.release},app.kubernetes.io/name=${LOAD_GENERATOR}`,
      LOAD_GENERATOR_PORT,
    ),
    findPods(store, `${VERIFY_LABEL}=${store.release}`, LOAD_GENERATOR_PORT),
  ]);
  return lists.flat();
}

export function findLinkPods(store: ReleaseStore): Promise<ReleasePod[]> {
  return findPods(
    store,
    `app.kubernetes.io/instance=${store.release},app.kubernetes.io/name=chain-link`,
    LINK_PORT,
  );
}

async function findPods(
  { client, namespace }: ReleaseStore,
  labelSelector: string,
  port: number,
): Promise<ReleasePod[]> {
  const pods = await client.listAll(RESOURCES.pod, namespace, { labelSelector });
  return pods
    .filter(({ status }) => status?.phase === "Running")
    .map(({ metadata: { name, uid, labels = {} }, status }) => ({
      name,
      process: `${uid} ${status?.containerStatuses?.[0]?.restartCount ?? 0}`,
      link: labels["service-name"] ?? null,
      proxy: proxyTo(client, namespace, { kind: "pods", name, port }),
    }));
}
