import { PrometheusText } from "../lib/prometheus.ts";
import { visibleCell } from "../lib/visible-text.ts";
import type { Peer } from "./exchange.ts";
import { type Problem, problemOf } from "./problem.ts";

/** A request or connection that the server rejected before any handler saw it. */
export interface Rejection extends Problem {
  readonly peer: Peer | null;
  /** The first line as far as it was received, truncated and without control characters. */
  readonly firstLine: string;
}

const MAX_LINE_BYTES = 100;
const EMPTY_LINES = /^[\r\n]+/;
const LINE_END = /[\r\n].*/s;

/** Counts what a server rejected before any handler saw it, by reason. */
export class Rejections {
  readonly #counts = new Map<number, number>();
  readonly #onRejection: ((rejection: Rejection) => void) | null;

  constructor(onRejection: ((rejection: Rejection) => void) | null) {
    this.#onRejection = onRejection;
  }

  /** How often this was the problem. */
  count(problem: number): number {
    return this.#counts.get(problem) ?? 0;
  }

  /** @param head the bytes of the request that were read, from its first line on */
  add(problem: number, peer: Peer | null, head: Uint8Array): void {
    this.#counts.set(problem, this.count(problem) + 1);
    if (this.#onRejection === null) return;
    const start = Buffer.from(head.subarray(0, MAX_LINE_BYTES)).toString("latin1");
    this.#onRejection({
      ...problemOf(problem),
      peer,
      firstLine: visibleCell(start.replace(EMPTY_LINES, "").replace(LINE_END, "")),
    });
  }

  /** A counter in Prometheus' text format. */
  renderMetric(): string {
    const samples = Array.from(this.#counts, ([problem, count]) => {
      const { status, reason } = problemOf(problem);
      return [{ code: status, reason }, count] as const;
    });
    return new PrometheusText().counter(METRIC, HELP, samples).toString();
  }
}

const METRIC = "chain_link_http_rejected_requests_total";
const HELP = "Requests and connections rejected before any handler saw them, by status code and reason.";

/** Formats a rejection as one line for a log. */
export function describeRejection({ status, reason, text, peer, firstLine }: Rejection): string {
  const isConnection = reason === "connections" || reason === "stopping";
  const caller = peer === null ? "an unknown address" : `${peer.address} port ${peer.port}`;
  const request = firstLine === "" ? "" : `: "${firstLine}"`;
  return `rejected a ${isConnection ? "connection" : "request"} from ${caller} with ${status}, ${text}${request}`;
}
