import { LoadPod } from "../../kubernetes/release/load-pod.ts";
import type { Released } from "../../kubernetes/release/released.ts";
import type { ReleaseStore } from "../../kubernetes/release/store.ts";
import { UserError } from "../../lib/errors.ts";
import { formatPercentage } from "../../lib/percentage.ts";
import { placeAt } from "../../load/schedule.ts";
import { newRunId } from "../../trace/run.ts";
import { pause } from "../../verify/backend/query-pace.ts";
import { RunLedger } from "../../verify/run/run-ledger.ts";
import { rateOf } from "../common/pace-flags.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { type LedgerSource, readLedger } from "./verify-ledger.ts";
import { DEFAULT_DURATION_MS, type JudgedRun } from "./verify-run.ts";

interface ByPod {
  readonly store: ReleaseStore;
  readonly released: Released;
  readonly flags: VerifyValues;
  readonly settings: readonly Setting[];
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Interval of requests for new ledger records. */
const POLL_MS = 250;
/** How long the Pod keeps serving its ledger, in case the last request for it is late. */
const LINGER_MS = 120_000;
/** Allowance for the Pod's start, and for a target that is slower than the rate. */
const SPARE_MS = 600_000;

/**
 * Sends requests from a Pod in the cluster, which reaches higher rates than the API server's proxy, and reads its ledger as it
 * grows.
 * @throws {UserError}
 */
export async function sendByPod({
  store,
  released,
  flags,
  settings,
  output,
  signal,
}: ByPod): Promise<JudgedRun> {
  const rate = rateOf(flags, settings);
  const durationMs = flags.duration ?? (flags.requests === null ? DEFAULT_DURATION_MS : null);
  const requests = flags.requests ?? placeAt(rate, durationMs ?? 0);
  const sendMs = durationMs ?? rate.rampMs + (requests / Math.max(rate.toPerSecond, 1e-3)) * 1000;
  const perSecond =
    rate.rampMs > 0
      ? `${rate.fromPerSecond}..${rate.toPerSecond}/${rate.rampMs}ms`
      : `${rate.fromPerSecond}/s`;
  const pod = await LoadPod.create(store, {
    run: newRunId(),
    entry: released.topology.entry,
    image: released.image,
    loadGenerator: released.loadGenerator,
    pace: [
      ...["--rate", perSecond, "--timeout", `${flags.timeout}ms`],
      ...["--sample", formatPercentage(flags.sample), "--linger", `${LINGER_MS}ms`],
      ...(durationMs === null ? [] : ["--duration", `${durationMs}ms`]),
      ...(flags.requests === null ? [] : ["--requests", String(flags.requests)]),
    ],
    deadlineMs: sendMs + flags.timeout + LINGER_MS + SPARE_MS,
  });
  try {
    output.detail(`requests are sent by Pod ${pod.name}`);
    await pod.waitUntilRunning(signal);
    const source = { name: pod.name, ...pod.proxy };
    const { ledger, aheadMs } = await readLedger(source, 0, signal);
    const { header } = ledger;
    // Converts the ledger's times to the local clock, because they are compared with when traces are seen.
    const judged = new RunLedger({ ...header, startMs: header.startMs - aheadMs });
    judged.append(ledger);
    return follow(source, judged, pod);
  } catch (error) {
    await pod.delete();
    throw error;
  }
}

function follow(source: LedgerSource, ledger: RunLedger, pod: LoadPod): JudgedRun {
  let missed = 0;
  const stop = new AbortController();
  let isWhole = true;
  const readToEnd = async () => {
    for (;;) {
      const isLast = stop.signal.aborted;
      const part = await readLedger(source, ledger.size);
      missed = part.missed;
      if (part.firstKept > ledger.size || part.isOver === null) throw lostLedger(pod.name, part.isOver);
      ledger.append(part.ledger);
      if (part.isOver) return;
      if (isLast) {
        // Otherwise the Pod would keep sending. Its requests in flight are in no ledger.
        isWhole = false;
        return pod.delete();
      }
      await pause(POLL_MS, stop.signal).catch(() => {});
    }
  };
  const ended = readToEnd();
  // `reconcile` handles a rejection; this only avoids an unhandled one before that.
  ended.catch(() => {});
  return {
    ledger,
    isWhole: () => isWhole,
    ended,
    stop: async () => stop.abort(),
    sent: () => ledger.size,
    close: () => pod.delete(),
    missed: () => missed,
    cut: null,
    failures: null,
  };
}

function lostLedger(pod: string, isOver: boolean | null): UserError {
  return new UserError(
    "ledger-unreadable",
    isOver === null
      ? `Pod ${pod} does not say whether its run is over: its image is an older version`
      : `Pod ${pod} evicted records before they were read`,
    isOver === null ? "Deploy the release with an image of this version." : "Use a lower --rate.",
  );
}
