import { timingSafeEqual } from "node:crypto";
import { type ControlState, type LinkFaultJson, type Mark, TOKEN_HEADER } from "../contract/control.ts";
import { isRecord } from "../lib/record.ts";
import { isFromHere } from "./origin.ts";
import { respondError, respondJson } from "./response.ts";

/** Controls of a standalone collector: it can reject spans as if it were down, and nothing else. */
export const NO_CHAIN: Controlled = {
  services: [],
  gone: [],
  topology: null,
  async setFault() {},
  load: null,
};

/** A running chain and its load. */
export interface Controlled {
  readonly services: readonly string[];
  /** Services whose process has exited. */
  readonly gone: readonly string[];
  /** What `GET /api/topology` answers. */
  readonly topology: unknown;
  /** An empty fault clears the link's faults. */
  setFault(link: string, fault: LinkFaultJson): Promise<void>;
  /** `null`: no load is driven. */
  readonly load: { readonly ratePerSecond: number; setRate(ratePerSecond: number): void } | null;
}

const MAX_RATE = 100_000;
const MAX_LATENCY_MS = 600_000;
const MAX_DOWN_MS = 3_600_000;
const MAX_BODY_CHARACTERS = 10_000;
const KEPT_MARKS = 200;

/**
 * Controls load and faults over HTTP below `/api/control`. Everyone who can reach it may read; changes need the token.
 */
export class ControlDesk {
  readonly token: string;
  readonly #host: string;
  readonly #faults = new Map<string, LinkFaultJson>();
  readonly #marks: Mark[] = [];
  #controlled: Controlled | null = null;
  #hadFault = false;
  #isBackendDown = false;
  #backendUntil: number | null = null;
  #backendTimer: Timer | undefined;

  /** @param host what the collector listens on */
  constructor(token: string, host: string) {
    this.token = token;
    this.#host = host;
  }

  /** Whether the collector rejects spans, as if it were down. */
  get isBackendDown(): boolean {
    return this.#isBackendDown;
  }

  /** Whether any link has had a fault since the start. */
  get hadFault(): boolean {
    return this.#hadFault;
  }

  /** Sets what the desk controls. Until then, requests are answered with 503. */
  attach(controlled: Controlled): void {
    this.#controlled = controlled;
  }

  /** Returns `undefined` for a path that the desk does not own. */
  async answer(request: Request, path: string): Promise<Response | undefined> {
    const isControl = path === "/api/control" || path.startsWith("/api/control/");
    if (!isControl && path !== "/api/topology") return undefined;
    const controlled = this.#controlled;
    if (controlled === null) return respondError(503, "The chain is still starting.");
    if (!isFromHere(request, this.#host)) return respondError(403, "Not from this host or origin.");
    if (path === "/api/topology") {
      if (controlled.topology === null) return undefined;
      return request.method === "GET" ? respondJson(request, controlled.topology) : notFound(request, path);
    }
    const isAllowed = this.#isAllowed(request);
    if (request.method !== "GET") {
      if (!isAllowed) {
        const response = respondError(
          401,
          "Changes need the token of the address that 'chain-link up' printed.",
        );
        response.headers.set("WWW-Authenticate", "Bearer");
        return response;
      }
      const refused = await this.#change(request, path.slice("/api/control".length), controlled);
      if (refused !== null) return refused;
    } else if (path !== "/api/control") return notFound(request, path);
    return respondJson(request, this.#describe(controlled, isAllowed));
  }

  close(): void {
    clearTimeout(this.#backendTimer);
  }

  #describe({ services, gone, load }: Controlled, isAllowed: boolean): ControlState {
    return {
      isAllowed,
      services,
      gone,
      load: load === null ? null : { ratePerSecond: load.ratePerSecond },
      faults: Object.fromEntries(this.#faults),
      backend: { isDown: this.#isBackendDown, until: this.#backendUntil },
      marks: this.#marks,
    };
  }

  /** Applies a change. Returns `null` on success, or the error response. */
  async #change(request: Request, path: string, controlled: Controlled): Promise<Response | null> {
    const action = `${request.method} ${path}`;
    if (action === "DELETE /faults") {
      for (const link of this.#faults.keys()) await controlled.setFault(link, {});
      this.#faults.clear();
      this.#mark("all faults cleared");
      if (this.#isBackendDown) this.#setBackendDown(false);
      return null;
    }
    const link = path.startsWith("/faults/") ? decode(path.slice("/faults/".length)) : null;
    if (link !== null && !controlled.services.includes(link)) {
      return respondError(404, `There is no link ${JSON.stringify(link)}.`);
    }
    if (link !== null && controlled.gone.includes(link)) {
      return respondError(409, `The process of ${link} has ended; to have it again, start 'up' again.`);
    }
    if (link !== null && request.method === "DELETE") {
      await this.#setFault(controlled, link, {});
      return null;
    }
    if (request.method !== "PUT") return notFound(request, `/api/control${path}`);
    const body = await readObject(request);
    if (body === null) return respondError(400, "Expected a JSON object.");
    if (link !== null) {
      const fault = readFault(body);
      if (typeof fault === "string") return respondError(400, fault);
      await this.#setFault(controlled, link, fault);
      return null;
    }
    if (path === "/load") return this.#setRate(controlled, body);
    if (path === "/backend") return this.#setBackend(body);
    return notFound(request, `/api/control${path}`);
  }

  async #setFault(controlled: Controlled, link: string, fault: LinkFaultJson): Promise<void> {
    await controlled.setFault(link, fault);
    const text = describeFault(fault);
    this.#hadFault ||= text !== "";
    if (text === "") this.#faults.delete(link);
    else this.#faults.set(link, fault);
    this.#mark(`${link}: ${text || "fault cleared"}`);
  }

  #setRate({ load }: Controlled, { ratePerSecond }: Record<string, unknown>): Response | null {
    if (load === null) return respondError(409, "This process drives no load; start it without --no-load.");
    if (typeof ratePerSecond !== "number" || !(ratePerSecond >= 0 && ratePerSecond <= MAX_RATE)) {
      return respondError(400, `ratePerSecond: expected a number from 0 to ${MAX_RATE}.`);
    }
    load.setRate(ratePerSecond);
    this.#mark(`load: ${ratePerSecond}/s`);
    return null;
  }

  #setBackend({ isDown, forMs = null }: Record<string, unknown>): Response | null {
    if (typeof isDown !== "boolean") return respondError(400, "isDown: expected true or false.");
    if (forMs !== null && !(typeof forMs === "number" && forMs > 0 && forMs <= MAX_DOWN_MS)) {
      return respondError(400, `forMs: expected milliseconds up to ${MAX_DOWN_MS}.`);
    }
    this.#setBackendDown(isDown);
    if (isDown && forMs !== null) {
      this.#backendUntil = Date.now() + forMs;
      this.#backendTimer = setTimeout(() => this.#setBackendDown(false), forMs);
    }
    return null;
  }

  #setBackendDown(isDown: boolean): void {
    clearTimeout(this.#backendTimer);
    this.#isBackendDown = isDown;
    this.#backendUntil = null;
    this.#mark(isDown ? "backend down" : "backend up");
  }

  #mark(text: string): void {
    this.#marks.push({ time: Date.now(), text });
    if (this.#marks.length > KEPT_MARKS) this.#marks.shift();
  }

  #isAllowed(request: Request): boolean {
    const authorization = request.headers.get("authorization") ?? "";
    const given = Buffer.from(request.headers.get(TOKEN_HEADER) ?? authorization.replace(/^Bearer /, ""));
    const expected = Buffer.from(this.token);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

function readFault(body: Record<string, unknown>): LinkFaultJson | string {
  const { latencyMs = 0, errorRate = 0, isStopped = false, ...others } = body;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `${unknown}: expected latencyMs, errorRate or isStopped.`;
  if (typeof latencyMs !== "number" || !(latencyMs >= 0 && latencyMs <= MAX_LATENCY_MS)) {
    return `latencyMs: expected milliseconds from 0 to ${MAX_LATENCY_MS}.`;
  }
  if (typeof errorRate !== "number" || !(errorRate >= 0 && errorRate <= 1)) {
    return "errorRate: expected a share from 0 to 1.";
  }
  if (typeof isStopped !== "boolean") return "isStopped: expected true or false.";
  return {
    ...(latencyMs > 0 && { latencyMs }),
    ...(errorRate > 0 && { errorRate }),
    ...(isStopped && { isStopped }),
  };
}

/** Returns an empty text without a fault. */
function describeFault({ latencyMs = 0, errorRate = 0, isStopped = false }: LinkFaultJson): string {
  const parts: string[] = [];
  if (isStopped) parts.push("stopped");
  if (latencyMs > 0) parts.push(`+${latencyMs} ms`);
  if (errorRate > 0) parts.push(`${Math.round(errorRate * 1000) / 10} % errors`);
  return parts.join(", ");
}

async function readObject(request: Request): Promise<Record<string, unknown> | null> {
  try {
    const text = await request.text();
    const value: unknown = text.length > MAX_BODY_CHARACTERS ? null : JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function notFound(request: Request, path: string): Response {
  return respondError(404, `Not found: ${request.method} ${path}`);
}
