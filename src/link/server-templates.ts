import { lowerBytes } from "../http/characters.ts";
import type { Exchange } from "../http/exchange.ts";
import { captureTags } from "../trace/capture.ts";
import { isGet, isPost, type Route } from "./route.ts";
import type { SpanTemplate } from "./span-format.ts";
import { type Cause, serverTags, type TemplateParts } from "./tags.ts";

/** The request for which a SERVER span's template was made; its target is the route. */
interface Known {
  /** `GET`, or else `POST`. */
  readonly isGet: boolean;
  readonly route: Route;
  readonly status: number;
  readonly cause: Cause | null;
  readonly host: Uint8Array;
  readonly template: SpanTemplate;
}

/** Callers use few names for a link, and links answer with few statuses. */
const MAX_KNOWN = 16;
const HOST = lowerBytes("host");
const NOTHING = new Uint8Array(0);

/** Templates of SERVER spans. Nearly all requests of a link differ only in their context. */
export class ServerTemplates {
  readonly #parts: TemplateParts;
  readonly #known: Known[] = [];

  constructor(parts: TemplateParts) {
    this.#parts = parts;
  }

  /** `cause` is set if the link itself caused the failure; a `status` of 0 means no answer. */
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
    // The full tag set differs for every connection, and captured headers differ for every request.
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
    // As in the original, a span is named after its route, or after its method if it has no route.
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
