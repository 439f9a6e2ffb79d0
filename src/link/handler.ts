import type { Exchange, Handler } from "../http/exchange.ts";
import { PROMETHEUS_TYPE } from "../lib/prometheus.ts";
import { answerUnrouted, jsonResponse, type LinkResponse, refuseMethod } from "./response.ts";
import type { Roles } from "./roles.ts";
import { findRoute, isRead, type Route } from "./route.ts";
import { Visit, type VisitParts } from "./visit.ts";
import { answerVisits } from "./visit-answer.ts";
import { VISITS } from "./visit-log.ts";

interface HandlerParts extends VisitParts {
  readonly roles: () => Roles;
  /** Until then the link is not ready, as a time of `performance.now()`. */
  readonly readyAtMs: number;
  readonly renderMetrics: () => string;
  /** Start of the link, milliseconds since 1970. */
  readonly startedAt: number;
  /** Visits that have not ended yet. */
  readonly inFlight: () => Iterable<Visit>;
}

/** Routes requests to a link. Readiness, metrics and queries for ledgers record no spans. */
export function createHandler(parts: HandlerParts): Handler {
  return (exchange) => {
    const route = findRoute(exchange);
    if (route === "/readiness" || route === "/metrics" || route === "/ledger") {
      const isAsked = isRead(exchange.head);
      exchange.answer(isAsked ? answerUntraced(parts, route, exchange) : refuseMethod(exchange.method));
      return;
    }
    let visit = exchange.attachment as Visit | null;
    if (visit === null) {
      visit = new Visit(parts, exchange);
      exchange.attachment = visit;
    }
    visit.begin(route);
  };
}

function answerUntraced(
  { roles, stats, readyAtMs, renderMetrics, startedAt, inFlight, hasLedger, linkNumber }: HandlerParts,
  route: Route,
  exchange: Exchange,
): LinkResponse {
  if (route === "/ledger") {
    return hasLedger
      ? answerVisits(exchange, VISITS, linkNumber, inFlight(), startedAt)
      : answerUnrouted(exchange);
  }
  if (route === "/metrics") {
    return { status: 200, headers: [["Content-Type", PROMETHEUS_TYPE]], body: renderMetrics() };
  }
  const services = ["chain-link-services", roles().hash] as const;
  if (stats.isDraining) return jsonResponse(503, { message: "shutting down" }, [services]);
  if (performance.now() < readyAtMs) return jsonResponse(503, { message: "starting" }, [services]);
  return jsonResponse(200, { message: "ok" }, [services]);
}
