import type { Answer } from "../../http/answer.ts";
import type { Exchange } from "../../http/exchange.ts";
import { answerReads } from "../../http/read-only.ts";
import type { Rejection, Rejections } from "../../http/rejections.ts";
import { type Server, startServer } from "../../http/server.ts";
import { listenError } from "../../lib/listener.ts";
import { PROMETHEUS_TYPE } from "../../lib/prometheus.ts";
import { renderCanaryMetrics } from "./canary-metrics.ts";
import type { CanaryTotals } from "./canary-totals.ts";

interface CanaryServerOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly totals: CanaryTotals;
  /** Called for each malformed request. */
  readonly onRejection?: (rejection: Rejection) => void;
}

const TEXT = ["Content-Type", PROMETHEUS_TYPE] as const;

/**
 * Serves `GET /metrics`, `/health` (200 while the process lives) and `/readiness` (200 if the last window
 * could be judged; missing spans do not make a canary unready).
 * @throws {UserError} `port-busy`
 */
export function startCanaryServer({ host, port, totals, onRejection }: CanaryServerOptions): Server {
  try {
    const server = startServer(
      { host, port, onRejection },
      answerReads((request) => answer(request, totals, server.rejections)),
    );
    return server;
  } catch (error) {
    throw listenError(host, port, "--serve", error);
  }
}

function answer({ path }: Exchange, totals: CanaryTotals, rejections: Rejections): Answer {
  const text = (status: number, body: string) => ({ status, headers: [TEXT], body });
  switch (path) {
    case "/metrics":
      return text(200, renderCanaryMetrics(totals) + rejections.renderMetric());
    case "/health":
      return text(200, "ok\n");
    case "/readiness":
      if (totals.lastOutcome === null) return text(503, "no window has been judged yet\n");
      if (totals.lastOutcome === "could-not-tell") return text(503, "the last window could not be judged\n");
      return text(200, "ok\n");
    default:
      return text(404, "expected /metrics, /health or /readiness\n");
  }
}
