import { type ApiServerProxy, proxyTo } from "../../kubernetes/api/api-server-proxy.ts";
import { findLedgerPods, findLinkPods } from "../../kubernetes/release/release-pods.ts";
import { type ReleasedBackend, readDeployed } from "../../kubernetes/release/released.ts";
import { withMissingRights } from "../../kubernetes/release/rights.ts";
import type { ReleaseStore } from "../../kubernetes/release/store.ts";
import { UserError } from "../../lib/errors.ts";
import type { CountedBackend, LinkInstance } from "../../verify/backend/counters.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import { ZipkinReader } from "../../verify/backend/zipkin-reader.ts";
import { backendOutsideCluster } from "../common/backend-outside-cluster.ts";
import { openRelease } from "../common/cluster-flags.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { openReader, reach } from "./verify-backend.ts";
import { sendByPod } from "./verify-by-pod.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { type LedgerSource, readLedger, readLedgerSince } from "./verify-ledger.ts";
import { type JudgedRun, judgeLedger } from "./verify-run.ts";
import type { Scene } from "./verify-scene.ts";

/**
 * Opens a release through the API server: its graph from the deployed revision, its spans from its backend, its counters
 * from the pods of its links.
 * @throws {UserError}
 */
export async function openReleasedScene(
  release: string,
  flags: VerifyValues,
  settings: readonly Setting[],
  output: Output,
): Promise<Scene> {
  const { store } = await openRelease({ ...flags, release }, output);
  const released = await withMissingRights(store, () => readDeployed(store));
  const { reader, backend } =
    flags.backend === null
      ? openBackend(store, released.backend)
      : { reader: await openReader(reach(flags.backend)), backend: reach(flags.backend) };
  return {
    subject: `release ${store.release} in namespace ${store.namespace}`,
    topology: released.topology,
    reader,
    backend,
    findInstances: () => withMissingRights(store, () => findInstances(store)),
    begin: (signal) =>
      withMissingRights(store, () =>
        flags.run === null
          ? sendByPod({ store, released, flags, settings, output, signal })
          : openReleasedRun(store, flags.run, flags.since),
      ),
  };
}

function openBackend(
  { client }: ReleaseStore,
  { kind, service, url }: ReleasedBackend,
): { readonly reader: TraceReader; readonly backend: CountedBackend } {
  if (service === null) throw backendOutsideCluster(url);
  const proxy = proxyTo(client, service.namespace, { kind: "services", ...service });
  const place = `of service ${service.name} in namespace ${service.namespace}`;
  const title = kind === "zipkin" ? "Zipkin" : "collector";
  return {
    reader: new ZipkinReader(proxy.url, title, { place, fetch: proxy.fetch }),
    backend: { kind, ...proxy },
  };
}

async function findInstances(store: ReleaseStore): Promise<LinkInstance[]> {
  const pods = await findLinkPods(store);
  return pods.map(({ process, link, proxy }) => ({ id: process, link, ...proxy }));
}

/** Opens a run by its ID, or by the name of the release's Pod that sends it. */
async function openReleasedRun(
  store: ReleaseStore,
  wanted: string,
  sinceMs: number | null,
): Promise<JudgedRun> {
  const pods = await findLedgerPods(store);
  if (pods.length === 0) {
    throw new UserError(
      "ledger-unreadable",
      `release ${JSON.stringify(store.release)} has no running load generator`,
      "Without --run, verify creates a Pod that sends requests.",
    );
  }
  const sources = pods.map(({ name, proxy }) => sourceOf(name, proxy));
  const named = sources.find(({ name }) => name === wanted);
  if (named !== undefined) return judge(named, sinceMs);
  const runs = await Promise.all(
    sources.map(async (source) => ({
      source,
      // Reads only the header: there are no records after the last possible one.
      run: await readLedger(source, 0xffffffff).then(
        ({ ledger }) => ledger.header.run,
        (error: unknown) => error as UserError,
      ),
    })),
  );
  const found = runs.find(({ run }) => run === wanted);
  if (found !== undefined) return judge(found.source, sinceMs);
  const known = runs.map(({ source, run }) =>
    typeof run === "string" ? `  ${source.name} has ${run}` : `  ${run.message}`,
  );
  throw new UserError(
    "ledger-unreadable",
    `no Pod of release ${JSON.stringify(store.release)} has the run ${JSON.stringify(wanted)}:\n${known.join("\n")}`,
    "A load generator starts a new run when it restarts.",
  );
}

function sourceOf(name: string, { url, fetch }: ApiServerProxy): LedgerSource {
  return { name, url, fetch };
}

async function judge(source: LedgerSource, sinceMs: number | null): Promise<JudgedRun> {
  const { ledger, isOver } = await readLedgerSince(source, sinceMs);
  return judgeLedger(ledger, isOver === true && sinceMs === null);
}
