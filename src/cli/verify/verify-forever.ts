import { lookup } from "node:dns/promises";
import { describeRejection, type Rejection } from "../../http/rejections.ts";
import { formatCount } from "../../lib/count.ts";
import { type Endpoint, fetchAs } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import { type CountedBackend, instancesOf, type LinkInstance } from "../../verify/backend/counters.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import { Canary, type WindowReport } from "../../verify/canary/canary.ts";
import { startCanaryServer } from "../../verify/canary/canary-server.ts";
import { CanaryTotals } from "../../verify/canary/canary-totals.ts";
import type { CallGraph } from "../../verify/judge/call-graph.ts";
import { describeFindings, outcomeOf, strictOutcomeOf } from "../../verify/result/result.ts";
import type { LoadTarget } from "../common/load-target.ts";
import { rateOf } from "../common/pace-flags.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { renderCanaryEnd } from "./canary-report.ts";
import { instancesAt } from "./verify-backend.ts";
import { EXIT_OF } from "./verify-ending.ts";
import { allowanceOf, type VerifyValues } from "./verify-flags.ts";
import { sendRun } from "./verify-run.ts";

interface Forever {
  readonly flags: VerifyValues;
  readonly settings: readonly Setting[];
  readonly output: Output;
  readonly target: LoadTarget;
  readonly graph: CallGraph | null;
  readonly backend: CountedBackend;
  readonly reader: TraceReader;
  /** Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

const WINDOW_MS = 10_000;

/** Sends and judges until interrupted; resolves to the exit code for everything judged. */
export async function verifyForever(options: Forever): Promise<number> {
  const { flags, settings, output, target, graph, backend, reader, signal } = options;
  const { fromPerSecond: perSecond, rampMs } = rateOf(flags, settings);
  if (rampMs > 0) throw new UserError("usage", "--rate: a ramp ends, so it cannot be used with --forever");
  const totals = new CanaryTotals();
  const links = [...instancesOf(target.links), ...instancesAt(flags.links)];
  const onRejection = (rejection: Rejection) => output.detail(describeRejection(rejection));
  const server = flags.serve === null ? null : startCanaryServer({ ...flags.serve, totals, onRejection });
  const where = server === null ? "" : `, metrics on http://${flags.serve?.host}:${server.port}/metrics`;
  output.note(`verifying ${target.url} with ${reader.name} until interrupted${where}`);
  const log = new WindowLog(output);
  const canary = new Canary({
    send: (requests) => sendRun(target, { ...flags, requests, duration: null }, settings),
    requestsPerSecond: perSecond,
    windowMs: WINDOW_MS,
    timeoutMs: flags.timeout,
    reader,
    graph,
    findInstances: async () => [...links, ...(await findAddresses(flags["links-at"]))],
    backend,
    maxWaitMs: flags["max-wait"],
    queriesPerSecond: flags["query-rate"],
    totals,
    onWindow: (report) => log.tell(report),
  });
  try {
    await canary.run(signal);
  } finally {
    await server?.close();
  }
  const outcome = outcomeOf(totals, allowanceOf(flags));
  await output.result(renderCanaryEnd(totals, outcome, flags.output));
  return EXIT_OF[outcome];
}

/** Resolves every address of the URL's host to a link, which tells its own name. */
async function findAddresses(links: Endpoint | null): Promise<LinkInstance[]> {
  if (links === null) return [];
  const { url, headers } = links;
  const hostname = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = await lookup(hostname, { all: true });
  return addresses.map(({ address, family }) => {
    const place = new URL(url);
    place.hostname = family === 6 ? `[${address}]` : address;
    return { id: address, link: null, url: place.href, fetch: fetchAs({ headers }) };
  });
}

/** Logs each window with a problem, and the first one without a problem after that. */
class WindowLog {
  readonly #output: Output;
  #isWell = true;

  constructor(output: Output) {
    this.#output = output;
  }

  tell({ reconciliation, problem, losses }: WindowReport): void {
    const text = problem ?? describeWindow(reconciliation, losses);
    if (text !== null) this.#output.warn(`${new Date().toISOString()} ${text}`);
    else if (!this.#isWell) this.#output.info(`${new Date().toISOString()} complete again`);
    this.#isWell = text === null;
  }
}

function describeWindow(
  reconciliation: WindowReport["reconciliation"],
  losses: WindowReport["losses"],
): string | null {
  if (reconciliation === null) return null;
  const { tally } = reconciliation;
  const outcome = strictOutcomeOf(tally);
  if (outcome === "complete") return null;
  const wrong = Object.entries(tally.classes).filter(
    ([name, count]) => count > 0 && name !== "complete" && name !== "not-sampled" && name !== "duplicated",
  );
  const where = losses.map(
    ({ link, reason, spans }) =>
      `${spans} ${reason.replaceAll("_", " ")}${link === null ? "" : ` (${link})`}`,
  );
  const [example] = tally.examples;
  return [
    outcome === "could-not-tell"
      ? "could not tell"
      : `${tally.missing} of ${formatCount(tally.expected, "span")} missing`,
    wrong.map(([name, count]) => `${count} ${name}`).join(", "),
    ...(where.length > 0 ? [where.join(", ")] : []),
    ...(example === undefined ? [] : [`trace ${example.traceId}: ${describeFindings(example)[0]}`]),
  ].join("; ");
}
