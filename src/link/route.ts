import type { Exchange } from "../http/exchange.ts";
import type { RequestHead } from "../http/request-head.ts";
import { collapseSlashes } from "../lib/endpoint.ts";

/** The routes of a link: the original's `/` and `/forward`, and those that record no spans. */
export type Route = "/" | "/forward" | "/readiness" | "/metrics" | "/ledger";

const ROUTES: readonly string[] = ["/", "/forward", "/readiness", "/metrics", "/ledger"] satisfies Route[];

const FORWARD = Buffer.from("/forward");
const SLASH = 0x2f;
const GET = Buffer.from("GET");
const POST = Buffer.from("POST");

/** `null` if there is none. The two hot routes are compared in place. */
export function findRoute(exchange: Exchange): Route | null {
  const { fields, targetStart, targetEnd } = exchange.head;
  const { bytes } = fields;
  const length = targetEnd - targetStart;
  if (length === 1 && bytes[targetStart] === SLASH) return "/";
  if (length === FORWARD.length && isForward(bytes, targetStart)) return "/forward";
  return findGeneral(exchange.path);
}

function isForward(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < FORWARD.length; i++) if (bytes[start + i] !== FORWARD[i]) return false;
  return true;
}

/** Handles targets with a query, or in a proxy's absolute form. */
function findGeneral(given: string): Route | null {
  const path = collapseSlashes(given);
  return ROUTES.includes(path) ? (path as Route) : null;
}

/** `GET` or `HEAD`. */
export function isRead(head: RequestHead): boolean {
  return head.isHead || isGet(head);
}

export function isGet(head: RequestHead): boolean {
  return isMethod(head, GET);
}

export function isPost(head: RequestHead): boolean {
  return isMethod(head, POST);
}

function isMethod({ fields: { bytes }, methodStart, methodEnd }: RequestHead, method: Uint8Array): boolean {
  if (methodEnd - methodStart !== method.length) return false;
  for (let i = 0; i < method.length; i++) if (bytes[methodStart + i] !== method[i]) return false;
  return true;
}
