import { prepareHead } from "../http/answer.ts";
import type { Client } from "../http/client.ts";
import { isField } from "../http/fields.ts";
import type { Upstream } from "../http/upstream.ts";
import type { Call } from "../topology/model.ts";
import { JSON_TYPE } from "./response.ts";
import type { Role } from "./roles.ts";
import { type CallResult, clientTags, type TemplateParts } from "./tags.ts";

/** What plans are made with: the same for all of a link. */
export interface PlanParts extends TemplateParts {
  readonly client: Client;
  /** Base URL of a service, without a slash at the end. */
  readonly resolve: (service: string) => string;
}

/** The header that tells the receiver which service it is. */
export const POSITION_HEADER = "X-Current-Service";

/** The original's name of every CLIENT span, as Zipkin shows it. */
const CALL_SPAN_NAME = "http get";

/** A role made ready for one link: bytes that would otherwise be made for each request. */
export class Plan {
  readonly role: Role;
  /** Of the role's name, as it stands in {@link POSITION_HEADER}. */
  readonly name: Uint8Array;
  /** As the role's steps. */
  readonly steps: readonly (readonly CallPlan[])[];
  /** Of the answer of a link that calls nobody. */
  readonly finalBody: Uint8Array;

  constructor(role: Role, parts: PlanParts) {
    this.role = role;
    this.name = Buffer.from(role.name, "latin1");
    this.steps = role.steps.map((step) => step.map((call) => new CallPlan(call, parts)));
    this.finalBody = Buffer.from(renderFinalBody(role));
  }
}

/** A call made ready for one link. */
export class CallPlan {
  readonly call: Call;
  /** An entry of the services list may be `host:port`; the service is the host. */
  readonly service: string;
  readonly #parts: PlanParts;
  readonly #templates = new Map<number, Uint8Array>();
  #baseUrl = "";
  #url = "";
  #start: Uint8Array = Buffer.alloc(0);
  #upstream: Upstream | null = null;

  constructor(call: Call, parts: PlanParts) {
    this.call = call;
    this.service = call.service.replace(/:\d+$/, "").toLowerCase();
    this.#parts = parts;
  }

  get url(): string {
    return this.#url;
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
    const { client, resolve } = this.#parts;
    const baseUrl = resolve(this.call.service);
    if (this.#upstream !== null && baseUrl === this.#baseUrl) return this.#upstream;
    const { service } = this.call;
    this.#url = `${baseUrl}/forward`;
    const { host, pathname, search } = new URL(this.#url);
    if (!isField(POSITION_HEADER, service)) throw new TypeError(`${JSON.stringify(service)} cannot be sent`);
    const upstream = client.upstream(this.#url);
    this.#start = Buffer.from(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${POSITION_HEADER}: ${service}\r\n`,
      "latin1",
    );
    this.#templates.clear();
    this.#baseUrl = baseUrl;
    this.#upstream = upstream;
    return upstream;
  }

  /** Of the CLIENT span of a first attempt that was answered. */
  templateOf(status: number): Uint8Array {
    const known = this.#templates.get(status);
    if (known !== undefined) return known;
    const made = this.renderTemplate({ status }, 0);
    this.#templates.set(status, made);
    return made;
  }

  /** Of the CLIENT span of an attempt; `attempt` counts from 0. */
  renderTemplate(result: CallResult, attempt: number): Uint8Array {
    const { format, tagSource, commonTags } = this.#parts;
    return format.render({
      kind: "CLIENT",
      name: CALL_SPAN_NAME,
      remoteService: this.service,
      tags: { ...clientTags(tagSource, this.#url, result, attempt), ...commonTags },
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

/** Bytes of `,"padding":""` and the line feed. */
const PADDING_BYTES = 14;

function renderFinalBody({ name, behaviour }: Role): string {
  const content = { message: `You have reached the final chain link ${name}` };
  const missing = behaviour.responseBytes - JSON.stringify(content).length - PADDING_BYTES;
  return `${JSON.stringify(missing > 0 ? { ...content, padding: "x".repeat(missing) } : content)}\n`;
}
