import type { Answer } from "../http/answer.ts";
import type { Exchange } from "../http/exchange.ts";
import { answerReads } from "../http/read-only.ts";
import type { Rejection, Rejections } from "../http/rejections.ts";
import { type Server, startServer } from "../http/server.ts";
import { listenError } from "../lib/listener.ts";
import { PROMETHEUS_TYPE } from "../lib/prometheus.ts";
import type { Load } from "./generator.ts";
import { renderMetrics } from "./metrics.ts";
import { LoadResults } from "./results.ts";
import type { RunLedgerWriter } from "./run-ledger-writer.ts";

interface RunServerOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** `null` before the load has started. */
  readonly load: () => Load | null;
  readonly ledger: RunLedgerWriter;
  /** Called for each malformed request. */
  readonly onRejection?: (rejection: Rejection) => void;
}

const TEXT = ["Content-Type", PROMETHEUS_TYPE] as const;

/**
 * Serves a run's state while it lasts: `GET /ledger` (`?from=N` skips the first N records), `GET /metrics` and
 * `GET /health`.
 * @throws {UserError} `port-busy`
 */
export function startRunServer(options: RunServerOptions): Server {
  const { host, port, onRejection } = options;
  try {
    const server = startServer(
      { host, port, onRejection },
      answerReads((request) => answer(request, options, server.rejections)),
    );
    return server;
  } catch (error) {
    throw listenError(host, port, "--serve", error);
  }
}

function answer(request: Exchange, { load, ledger }: RunServerOptions, rejections: Rejections): Answer {
  const { path } = request;
  if (path === "/health") return { status: 200, headers: [TEXT], body: "ok\n" };
  if (path === "/metrics") {
    const results = load()?.results ?? new LoadResults();
    return {
      status: 200,
      headers: [TEXT],
      body: renderMetrics(results, ledger) + rejections.renderMetric(),
    };
  }
  if (path === "/ledger") return answerLedger(request, ledger, load());
  return { status: 404, headers: [TEXT], body: "expected /ledger, /metrics or /health\n" };
}

function answerLedger({ target }: Exchange, ledger: RunLedgerWriter, load: Load | null): Answer {
  const from = new URLSearchParams(target.slice(target.indexOf("?") + 1)).get("from") ?? "0";
  if (!/^\d{1,10}$/.test(from)) {
    return {
      status: 400,
      headers: [TEXT],
      body: `from: expected a number of records, found ${JSON.stringify(from)}\n`,
    };
  }
  return {
    status: 200,
    headers: [
      ["Content-Type", "application/octet-stream"],
      // The number of records, and the first one in memory: a reader learns what it cannot get.
      ["chain-link-records", String(ledger.count)],
      ["chain-link-first-record", String(ledger.firstKept)],
      // The time of this answer, because clocks of machines differ.
      ["chain-link-time", String(Date.now())],
      // Whether records are still being added, and how many requests were due but never sent.
      ["chain-link-run-state", load?.isOver === true ? "over" : "sending"],
      ["chain-link-missed", String(load?.results.missed ?? 0)],
    ],
    body: ledger.read(Number(from)),
  };
}
