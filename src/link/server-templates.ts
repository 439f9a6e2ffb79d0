import { lowerBytes } from "../http/characters.ts";
import type { Exchange } from "../http/exchange.ts";
import { captureTags } from "../trace/capture.ts";
import { isGet, isPost, type Route } from "./route.ts";
import type { SpanTemplate } from "./span-format.ts";
import { type Cause, serverTags, type TemplateParts } from "./tags.ts";

/** What the template of a SERVER span was made for, besides a target that is the route. */
interface Known {
  /** `GET`, otherwise `POST`. */
  readonly isGet: boolean;
  readonly route: Route;
  readonly status: number;
  readonly cause: Cause | null;
  readonly host: Uint8Array;
  readonly template: SpanTemplate;
}

/** Callers use few names for a link, and it gives few statuses. */
const MAX_KNOWN = 16;
const HOST = lowerBytes("host");
const NOTHING = new Uint8Array(0);

/** Templates of SERVER spans: nearly all requests of a link are the same but for their context. */
export class ServerTemplates {
  readonly #parts: TemplateParts;
  readonly #known: Known[] = [];

  constructor(parts: TemplateParts) {
    this.#parts = parts;
  }

  /** `cause` says why the link itself is the reason; a `status` of 0 is no answer. */
  find(
    exchange: Exchange,
    route: Route | null,
    status: number,
    cause: Cause | null,
    isCaptured: boolean,
  ): SpanTemplate {
    const { head } = exchange;
    const isOfGet = isGet(head);
    const isPlain =
      route !== null && head.targetEnd - head.targetStart === route.length && (isOfGet || isPost(head));
    // The full set has what differs with every connection, and what is captured differs with every request.
    if (!isPlain || isCaptured || this.#parts.tagSource.tagSet === "full") {
      return this.#render(exchange, route, status, cause, isCaptured);
    }
    const { fields } = head;
    const at = fields.find(HOST);
    const start = at === -1 ? 0 : fields.valueStart(at);
    const length = at === -1 ? 0 : fields.valueEnd(at) - start;
    for (const known of this.#known) {
      const isSame =
        known.status === status &&
        known.route === route &&
        known.cause === cause &&
        known.isGet === isOfGet &&
        known.host.length === length &&
        isEqual(known.host, fields.bytes, start);
      if (isSame) return known.template;
    }
    const template = this.#render(exchange, route, status, cause, false);
    const host = at === -1 ? NOTHING : Uint8Array.from(fields.bytes.subarray(start, start + length));
    if (this.#known.length === MAX_KNOWN) this.#known.shift();
    this.#known.push({ isGet: isOfGet, route, status, cause, host, template });
    return template;
  }

  #render(
    exchange: Exchange,
    route: Route | null,
    status: number,
    cause: Cause | null,
    isCaptured: boolean,
  ): SpanTemplate {
    // As the original names them: a route by its path, what has none by its method.
    const routed = route === null || status === 405 ? undefined : route;
    const { format, tagSource, commonTags } = this.#parts;
    const tags = { ...serverTags(tagSource, exchange, { status, cause }, routed), ...commonTags };
    return format.render({
      kind: "SERVER",
      name: (routed ?? `HTTP ${exchange.method}`).toLowerCase(),
      tags: isCaptured ? { ...tags, ...captureTags(exchange.header) } : tags,
    });
  }
}

function isEqual(one: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== bytes[start + i]) return false;
  return true;
}
