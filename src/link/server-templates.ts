import { lowerBytes } from "../http/characters.ts";
import type { Exchange } from "../http/exchange.ts";
import { isGet, type Route } from "./route.ts";
import { serverTags, type TemplateParts } from "./tags.ts";

/** What the template of a SERVER span was made for, besides `GET` and a target that is the route. */
interface Known {
  readonly route: Route;
  readonly status: number;
  readonly host: Uint8Array;
  readonly template: Uint8Array;
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

  find(exchange: Exchange, route: Route | null, status: number): Uint8Array {
    const { head } = exchange;
    const isPlain = route !== null && head.targetEnd - head.targetStart === route.length && isGet(head);
    // The full set has what differs with every connection.
    if (!isPlain || this.#parts.tagSource.tagSet === "full") return this.#render(exchange, route, status);
    const { fields } = head;
    const at = fields.find(HOST);
    const start = at === -1 ? 0 : fields.valueStart(at);
    const length = at === -1 ? 0 : fields.valueEnd(at) - start;
    for (const known of this.#known) {
      const isSame =
        known.status === status &&
        known.route === route &&
        known.host.length === length &&
        isEqual(known.host, fields.bytes, start);
      if (isSame) return known.template;
    }
    const template = this.#render(exchange, route, status);
    const host = at === -1 ? NOTHING : Uint8Array.from(fields.bytes.subarray(start, start + length));
    if (this.#known.length === MAX_KNOWN) this.#known.shift();
    this.#known.push({ route, status, host, template });
    return template;
  }

  #render(exchange: Exchange, route: Route | null, status: number): Uint8Array {
    // As the original names them: a route by its path, what has none by its method.
    const routed = route === null || status === 405 ? undefined : route;
    const { format, tagSource, commonTags } = this.#parts;
    return format.render({
      kind: "SERVER",
      name: (routed ?? `HTTP ${exchange.method}`).toLowerCase(),
      tags: { ...serverTags(tagSource, exchange, status, routed), ...commonTags },
    });
  }
}

function isEqual(one: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== bytes[start + i]) return false;
  return true;
}
