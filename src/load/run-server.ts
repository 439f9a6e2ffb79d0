import type { Answer } from "../http/answer.ts";
import type { Exchange } from "../http/exchange.ts";
import { answerReads } from "../http/read-only.ts";
import type { Rejection, Rejections } from "../http/rejections.ts";
import { type Server, startServer } from "../http/server.ts";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import type { Load } from "./generator.ts";
import { renderMetrics } from "./metrics.ts";
import { LoadResults } from "./results.ts";
import type { RunLedgerWriter } from "./run-ledger-writer.ts";

export interface RunServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** `null` before it was started. */
  readonly load: () => Load | null;
  readonly account: RunLedgerWriter;
  /** Hears of each malformed request. */
  readonly onRejection?: (rejection: Rejection) => void;
}

const TEXT = ["Content-Type", "text/plain; version=0.0.4; charset=utf-8"] as const;

/**
 * Tells about a run while it lasts: `GET /ledger` its account so far (`?from=N` without the first N records),
 * `GET /metrics`, `GET /health`.
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
    const reason = errorCode(error) === "EADDRINUSE" ? "is in use" : `cannot be used: ${errorText(error)}`;
    throw new UserError("port-busy", `port ${port} on ${host} ${reason}`, "Choose another with --serve.", {
      cause: error,
    });
  }
}

function answer(request: Exchange, { load, account }: RunServerOptions, rejections: Rejections): Answer {
  const { path } = request;
  if (path === "/health") return { status: 200, headers: [TEXT], body: "ok\n" };
  if (path === "/metrics") {
    const results = load()?.results ?? new LoadResults();
    return {
      status: 200,
      headers: [TEXT],
      body: renderMetrics(results, account) + rejections.renderMetric(),
    };
  }
  if (path === "/ledger") return answerLedger(request, account, load());
  return { status: 404, headers: [TEXT], body: "expected /ledger, /metrics or /health\n" };
}

function answerLedger({ target }: Exchange, account: RunLedgerWriter, load: Load | null): Answer {
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
      // Of the whole run, and the first of which is still there: a reader sees what it cannot have.
      ["chain-link-records", String(account.count)],
      ["chain-link-first-record", String(account.firstKept)],
      // Clocks of machines differ: when this was said.
      ["chain-link-time", String(Date.now())],
      // Whether records are still added, and how many requests were due and never sent.
      ["chain-link-run-state", load?.isOver === true ? "over" : "sending"],
      ["chain-link-missed", String(load?.results.missed ?? 0)],
    ],
    body: account.read(Number(from)),
  };
}
