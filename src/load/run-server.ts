import type { Answer } from "../http/answer.ts";
import { answerWith, type Exchange } from "../http/exchange.ts";
import { type Server, startServer } from "../http/server.ts";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import type { Load } from "./generator.ts";
import { renderMetrics } from "./metrics.ts";
import { LoadResults } from "./results.ts";
import type { RunAccount } from "./run-account.ts";

export interface RunServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** `null` before it was started. */
  readonly load: () => Load | null;
  readonly account: RunAccount;
}

const TEXT = ["Content-Type", "text/plain; version=0.0.4; charset=utf-8"] as const;

/**
 * Tells about a run while it lasts: `GET /ledger` its account so far (`?from=N` without the first N records),
 * `GET /metrics`, `GET /health`.
 * @throws {UserError} `port-busy`
 */
export function startRunServer(options: RunServerOptions): Server {
  const { host, port } = options;
  try {
    return startServer(
      { host, port },
      answerWith((request) => answer(request, options)),
    );
  } catch (error) {
    const reason = errorCode(error) === "EADDRINUSE" ? "is in use" : `cannot be used: ${errorText(error)}`;
    throw new UserError("port-busy", `port ${port} on ${host} ${reason}`, "Choose another with --serve.", {
      cause: error,
    });
  }
}

function answer(request: Exchange, { load, account }: RunServerOptions): Answer {
  const { method, path } = request;
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: [["Allow", "GET, HEAD"]], body: "expected GET\n" };
  }
  if (path === "/health") return { status: 200, headers: [TEXT], body: "ok\n" };
  if (path === "/metrics") {
    const results = load()?.results ?? new LoadResults();
    return { status: 200, headers: [TEXT], body: renderMetrics(results, account) };
  }
  if (path === "/ledger") return answerLedger(request, account, load());
  return { status: 404, headers: [TEXT], body: "expected /ledger, /metrics or /health\n" };
}

function answerLedger({ target }: Exchange, account: RunAccount, load: Load | null): Answer {
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
