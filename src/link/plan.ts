import { prepareHead } from "../http/answer.ts";
import type { Client } from "../http/client.ts";
import { isField } from "../http/fields.ts";
import type { Upstream } from "../http/upstream.ts";
import { apiUrl } from "../lib/endpoint.ts";
import type { Random } from "../lib/random.ts";
import { type Call, isCall, type Step } from "../topology/model.ts";
import { renderFinalBody } from "./body.ts";
import { prepareDraw } from "./distribution.ts";
import { PreparedBehavior } from "./prepared-behavior.ts";
import { JSON_TYPE } from "./response.ts";
import { RetryBudget, RetryWindow } from "./retry-budget.ts";
import { RetryRule } from "./retry-rule.ts";
import type { Role } from "./roles.ts";
import type { SpanTemplate } from "./span-format.ts";
import { type CallResult, clientTags, type TemplateParts } from "./tags.ts";

/** What all plans of a link share. */
export interface PlanParts extends TemplateParts {
  readonly client: Client;
  /** Base URL of a service, without trailing slash. */
  readonly resolve: (service: string) => string;
  /** Headers of calls to a service. Secret. */
  readonly headersOf: (service: string) => Readonly<Record<string, string>>;
  /** Start of the link, as a time of `performance.now()`. */
  readonly startedAtMs: number;
}

interface RoleParts extends PlanParts {
  readonly role: Role;
  readonly windows: RetryWindows;
}

/** One window for each callee, shared by all calls to it. */
class RetryWindows {
  readonly #made = new Map<string, RetryWindow>();

  of(service: string): RetryWindow {
    const known = this.#made.get(service) ?? new RetryWindow();
    this.#made.set(service, known);
    return known;
  }
}

/** The header that tells the receiver which service to play. */
export const POSITION_HEADER = "X-Current-Service";

const BODY_TYPE = "Content-Type: application/octet-stream\r\n";

/** A role prepared for one link: the bytes are rendered once instead of for each request. */
export class Plan {
  readonly role: Role;
  /** The role's name as bytes of {@link POSITION_HEADER}. */
  readonly name: Uint8Array;
  /** In the order of the role's steps. */
  readonly steps: readonly StepPlan[];
  /** `null`: the role does nothing but make calls and answer. */
  readonly behavior: PreparedBehavior | null;
  /** The link sends an answer of its own even if it makes calls. */
  readonly hasOwnAnswer: boolean;
  /** The body of the link's own answer, unless its size is drawn. */
  readonly #finalBody: Uint8Array;
  readonly #drawBytes: (() => number) | null;

  constructor(role: Role, parts: PlanParts) {
    const { isPlain, drawResponseBytes, hasFixedResponse } = role.behavior;
    const windows = new RetryWindows();
    this.role = role;
    this.name = Buffer.from(role.name, "latin1");
    this.steps = role.steps.map(
      (step, index) => new StepPlan(step, `calls/${index}`, { ...parts, role, windows }),
    );
    this.behavior = isPlain ? null : new PreparedBehavior(role, parts.startedAtMs);
    this.hasOwnAnswer = drawResponseBytes !== null;
    this.#finalBody = renderFinalBody(role.name, hasFixedResponse ? (drawResponseBytes?.() ?? 0) : 0);
    this.#drawBytes = hasFixedResponse ? null : drawResponseBytes;
  }

  /** The body of the link's own answer; callers must not modify it. */
  finalBody(): Uint8Array {
    return this.#drawBytes === null ? this.#finalBody : renderFinalBody(this.role.name, this.#drawBytes());
  }
}

/** Concurrent calls and sleeps of a link. */
export class StepPlan {
  readonly calls: readonly CallPlan[];
  /** Each draws the duration, in milliseconds, of a sleep concurrent with the calls. */
  readonly sleeps: readonly (() => number)[];

  constructor(step: Step, part: string, parts: RoleParts) {
    const calls: CallPlan[] = [];
    const sleeps: (() => number)[] = [];
    for (const [index, action] of step.entries()) {
      const own = `${part}/${index}`;
      if (isCall(action)) calls.push(new CallPlan(action, own, parts));
      else sleeps.push(prepareDraw(action.sleep, parts.role.randomOf(own)));
    }
    this.calls = calls;
    this.sleeps = sleeps;
  }
}

/** A call prepared for one link. */
export class CallPlan {
  readonly call: Call;
  /** An entry of the services list may be `host:port`; the service is the host. */
  readonly service: string;
  /** Drawn to decide whether a request makes the call. */
  readonly draw: Random;
  /** Draws the size of the request body; `null`: no body. */
  readonly drawRequestBytes: (() => number) | null;
  readonly retry: RetryRule;
  readonly budget: RetryBudget | null;
  readonly #parts: PlanParts;
  readonly #templates = new Map<number, SpanTemplate>();
  #baseUrl = "";
  #url = "";
  #start: Uint8Array = Buffer.alloc(0);
  #upstream: Upstream | null = null;

  /** `part` names the call among the random parts of the role. */
  constructor(call: Call, part: string, parts: RoleParts) {
    const { retry, request } = call;
    const { randomOf } = parts.role;
    this.call = call;
    this.draw = randomOf(part);
    this.drawRequestBytes = request === null ? null : prepareDraw(request, randomOf(`${part}/request`));
    this.retry = new RetryRule(retry, randomOf(`${part}/backoff`));
    this.budget =
      retry.budget === null ? null : new RetryBudget(retry.budget, parts.windows.of(call.service));
    this.service = call.service.replace(/:\d+$/, "").toLowerCase();
    this.#parts = parts;
  }

  get url(): string {
    return this.#url;
  }

  /** A body makes it a POST: it has no meaning in a GET (RFC 9110, 9.3.1), and many servers and proxies reject it there. */
  get method(): "GET" | "POST" {
    return this.call.request === null ? "GET" : "POST";
  }

  /** The request line and the constant headers. Valid after {@link findUpstream}. */
  get start(): Uint8Array {
    return this.#start;
  }

  /**
   * The current upstream of the call; links on this machine may move.
   * @throws {TypeError} if the service's name does not form a URL, or cannot be sent
   */
  findUpstream(): Upstream {
    const { client, resolve, headersOf } = this.#parts;
    const baseUrl = resolve(this.call.service);
    if (this.#upstream !== null && baseUrl === this.#baseUrl) return this.#upstream;
    const { service } = this.call;
    this.#url = apiUrl(baseUrl, "link", "/forward");
    const { host, pathname, search } = new URL(this.#url);
    if (!isField(POSITION_HEADER, service)) throw new TypeError(`${JSON.stringify(service)} cannot be sent`);
    const upstream = client.upstream(this.#url);
    const type = this.method === "GET" ? "" : BODY_TYPE;
    const own = Object.entries(headersOf(service)).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#start = Buffer.from(
      `${this.method} ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${POSITION_HEADER}: ${service}\r\n${own.join("")}${type}`,
      "latin1",
    );
    this.#templates.clear();
    this.#baseUrl = baseUrl;
    this.#upstream = upstream;
    return upstream;
  }

  /** The template of the CLIENT span of a first attempt that was answered. */
  templateOf(status: number): SpanTemplate {
    const known = this.#templates.get(status);
    if (known !== undefined) return known;
    const made = this.renderTemplate({ status }, 0);
    this.#templates.set(status, made);
    return made;
  }

  /** Renders the template of an attempt's CLIENT span, named as in the original; `attempt` counts from 0. */
  renderTemplate(result: CallResult, attempt: number): SpanTemplate {
    const { format, tagSource, commonTags } = this.#parts;
    return format.render({
      kind: "CLIENT",
      name: `http ${this.method.toLowerCase()}`,
      remoteService: this.service,
      tags: { ...clientTags(tagSource, this.method, this.#url, result, attempt), ...commonTags },
    });
  }
}

/** The head of an answer with a JSON body; prepared once per status. */
export function jsonHead(status: number): Uint8Array {
  const known = jsonHeads.get(status);
  if (known !== undefined) return known;
  const made = prepareHead(status, [["Content-Type", JSON_TYPE]]);
  jsonHeads.set(status, made);
  return made;
}

const jsonHeads = new Map<number, Uint8Array>();
