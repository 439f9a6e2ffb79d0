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

/** What plans are made with: the same for all of a link. */
export interface PlanParts extends TemplateParts {
  readonly client: Client;
  /** Base URL of a service, without a slash at the end. */
  readonly resolve: (service: string) => string;
  /** What calls to a service carry. Secret. */
  readonly headersOf: (service: string) => Readonly<Record<string, string>>;
  /** When the link was started, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
}

interface RoleParts extends PlanParts {
  readonly role: Role;
  readonly windows: RetryWindows;
}

/** What calls to the same callee share. */
class RetryWindows {
  readonly #made = new Map<string, RetryWindow>();

  of(service: string): RetryWindow {
    const known = this.#made.get(service) ?? new RetryWindow();
    this.#made.set(service, known);
    return known;
  }
}

/** The header that tells the receiver which service it is. */
export const POSITION_HEADER = "X-Current-Service";

const BODY_TYPE = "Content-Type: application/octet-stream\r\n";

/** A role made ready for one link: bytes that would otherwise be made for each request. */
export class Plan {
  readonly role: Role;
  /** Of the role's name, as it stands in {@link POSITION_HEADER}. */
  readonly name: Uint8Array;
  /** As the role's steps. */
  readonly steps: readonly StepPlan[];
  /** `null`: the role does nothing but call others and answer. */
  readonly conduct: PreparedBehavior | null;
  /** The link gives an answer of its own even when it calls others. */
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
    this.conduct = isPlain ? null : new PreparedBehavior(role, parts.startedAtMs);
    this.hasOwnAnswer = drawResponseBytes !== null;
    this.#finalBody = renderFinalBody(role.name, hasFixedResponse ? (drawResponseBytes?.() ?? 0) : 0);
    this.#drawBytes = hasFixedResponse ? null : drawResponseBytes;
  }

  /** Valid as long as nobody writes to it. */
  finalBody(): Uint8Array {
    return this.#drawBytes === null ? this.#finalBody : renderFinalBody(this.role.name, this.#drawBytes());
  }
}

/** What a link does at the same time. */
export class StepPlan {
  readonly calls: readonly CallPlan[];
  /** Each draws the milliseconds that pass beside the calls. */
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

/** A call made ready for one link. */
export class CallPlan {
  readonly call: Call;
  /** An entry of the services list may be `host:port`; the service is the host. */
  readonly service: string;
  /** Whether a request makes the call. */
  readonly draw: Random;
  /** Bytes of the request's body; `null`: there is none. */
  readonly drawRequestBytes: (() => number) | null;
  readonly retry: RetryRule;
  readonly budget: RetryBudget | null;
  readonly #parts: PlanParts;
  readonly #templates = new Map<number, SpanTemplate>();
  #baseUrl = "";
  #url = "";
  #start: Uint8Array = Buffer.alloc(0);
  #upstream: Upstream | null = null;

  /** `part` names the call among what the role leaves to chance. */
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

  /** A body makes it a POST: in a GET it has no meaning (RFC 9110, 9.3.1), and many servers and proxies refuse it. */
  get method(): "GET" | "POST" {
    return this.call.request === null ? "GET" : "POST";
  }

  /** Request line and headers that do not change. Valid behind {@link findUpstream}. */
  get start(): Uint8Array {
    return this.#start;
  }

  /**
   * Where the call goes now; links of this machine may move.
   * @throws {TypeError} The service's name makes no URL, or cannot be sent.
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

  /** Of the CLIENT span of a first attempt that was answered. */
  templateOf(status: number): SpanTemplate {
    const known = this.#templates.get(status);
    if (known !== undefined) return known;
    const made = this.renderTemplate({ status }, 0);
    this.#templates.set(status, made);
    return made;
  }

  /** Of the CLIENT span of an attempt, which is named as the original's; `attempt` counts from 0. */
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

/** The head of an answer with a JSON body, made once for each status. */
export function jsonHead(status: number): Uint8Array {
  const known = jsonHeads.get(status);
  if (known !== undefined) return known;
  const made = prepareHead(status, [["Content-Type", JSON_TYPE]]);
  jsonHeads.set(status, made);
  return made;
}

const jsonHeads = new Map<number, Uint8Array>();
