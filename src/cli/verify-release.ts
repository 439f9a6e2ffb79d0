import { type ApiServerProxy, passageTo } from "../kubernetes/api/passage.ts";
import { ApiError } from "../kubernetes/api/status.ts";
import { findLedgerPods, findLinkPods } from "../kubernetes/release/release-pods.ts";
import { type Released, type ReleasedBackend, readReleased } from "../kubernetes/release/released.ts";
import { explainRefusal } from "../kubernetes/release/rights.ts";
import { noRelease, type ReleaseStore } from "../kubernetes/release/store.ts";
import { UserError } from "../lib/errors.ts";
import type { CountedBackend, LinkInstance } from "../verify/counters.ts";
import type { TraceReader } from "../verify/trace-reader.ts";
import { ZipkinReader } from "../verify/zipkin-reader.ts";
import { openRelease } from "./cluster-flags.ts";
import type { Output } from "./output.ts";
import type { Setting } from "./settings.ts";
import { openReader, reach } from "./verify-backend.ts";
import { sendByPod } from "./verify-by-pod.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { type LedgerSource, readAccount, readLedger } from "./verify-ledger.ts";
import { type JudgedRun, judgeLedger } from "./verify-run.ts";
import type { Scene } from "./verify-scene.ts";

/**
 * A release in a cluster, as the API server shows it: its graph from the revision that is deployed, its spans from its own backend, its
 * counters from the pods of its links.
 * @throws {UserError}
 */
export async function openReleasedScene(
  release: string,
  flags: VerifyValues,
  settings: readonly Setting[],
  output: Output,
): Promise<Scene> {
  const { store } = await openRelease({ ...flags, release }, output);
  const released = await explained(store, () => readDeployed(store));
  const { reader, backend } =
    flags.backend === null
      ? openBackend(store, released.backend)
      : { reader: await openReader(reach(flags.backend)), backend: reach(flags.backend) };
  return {
    subject: `release ${store.release} in namespace ${store.namespace}`,
    topology: released.topology,
    reader,
    backend,
    findInstances: () => explained(store, () => findInstances(store)),
    begin: (signal) =>
      explained(store, () =>
        flags.run === null
          ? sendByPod({ store, released, flags, settings, output, signal })
          : openReleasedRun(store, flags.run, flags.since),
      ),
  };
}

/** A refusal is told with all rights that are missing. */
export async function explained<T>(store: ReleaseStore, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.status === 403)
      throw await explainRefusal(store.client, store.namespace, error);
    throw error;
  }
}

/** @throws {UserError} `release-unknown` and what reading a revision throws */
export async function readDeployed(store: ReleaseStore): Promise<Released> {
  const revisions = await store.listRevisions();
  const deployed = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  if (deployed === undefined) throw noRelease(store);
  return readReleased(await store.readContent(deployed));
}

function openBackend(
  { client }: ReleaseStore,
  { kind, service, url }: ReleasedBackend,
): { readonly reader: TraceReader; readonly backend: CountedBackend } {
  if (service === null) {
    throw new UserError(
      "backend-unreadable",
      `the links send their spans to ${url || "an unknown place"}, which is no Service of the cluster`,
      "Say with --backend where they can be read from here.",
    );
  }
  const passage = passageTo(client, service.namespace, { kind: "services", ...service });
  const place = `of service ${service.name} in namespace ${service.namespace}`;
  const title = kind === "zipkin" ? "Zipkin" : "collector";
  return {
    reader: new ZipkinReader(passage.url, title, { place, fetch: passage.fetch }),
    backend: { kind, ...passage },
  };
}

async function findInstances(store: ReleaseStore): Promise<LinkInstance[]> {
  const pods = await findLinkPods(store);
  return pods.map(({ process, link, passage }) => ({ id: process, link, ...passage }));
}

/** A run that a pod of the release knows, by its id or the pod's name. */
async function openReleasedRun(
  store: ReleaseStore,
  wanted: string,
  sinceMs: number | null,
): Promise<JudgedRun> {
  const pods = await findLedgerPods(store);
  if (pods.length === 0) {
    throw new UserError(
      "ledger-unreadable",
      `release ${JSON.stringify(store.release)} has no load generator that runs`,
      "Without --run, requests are sent by a Pod that is made for it.",
    );
  }
  const sources = pods.map(({ name, passage }) => sourceOf(name, passage));
  const named = sources.find(({ name }) => name === wanted);
  if (named !== undefined) return judge(named, sinceMs);
  const runs = await Promise.all(
    sources.map(async (source) => ({
      source,
      // Beyond the last record there is nothing but the head.
      run: await readLedger(source, 0xffffffff).then(
        ({ book }) => book.header.run,
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
    `no pod of release ${JSON.stringify(store.release)} has the run ${JSON.stringify(wanted)}:\n${known.join("\n")}`,
    "A load generator that was started again has begun a new run.",
  );
}

function sourceOf(name: string, { url, fetch }: ApiServerProxy): LedgerSource {
  return { name, url, fetch };
}

async function judge(source: LedgerSource, sinceMs: number | null): Promise<JudgedRun> {
  const { book, isOver } = await readAccount(source, sinceMs);
  return judgeLedger(book, isOver === true && sinceMs === null);
}
