import type { Answer } from "./answer.ts";
import { answerWith, type Exchange, type Handler } from "./exchange.ts";

const ALLOW = ["Allow", "GET, HEAD, OPTIONS"] as const;

/** A handler for a read-only server: `give` answers GET and HEAD; for HEAD the server omits the body. */
export function answerReads(give: (request: Exchange) => Answer): Handler {
  return answerWith((request) => {
    const { method } = request;
    if (method === "GET" || method === "HEAD") return give(request);
    if (method === "OPTIONS") return { status: 200, headers: [ALLOW], body: "" };
    return { status: 405, headers: [ALLOW], body: "expected GET\n" };
  });
}
