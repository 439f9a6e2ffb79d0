// Zipkin v1 JSON: https://zipkin.io/zipkin-api/zipkin-api.yaml of version 1, and Zipkin's conversion to v2:
// https://github.com/openzipkin/zipkin/blob/master/zipkin/src/main/java/zipkin2/v1/V1SpanConverter.java
import { isRecord } from "../lib/record.ts";
import type { Span, SpanKind } from "./span.ts";
import {
  isAbsent,
  type Json,
  Misfit,
  misfit,
  readObject,
  readText,
  readWholeNumber,
} from "./zipkin-fields.ts";
import { normalizeSpan, placeMisfit } from "./zipkin-span.ts";

interface Annotation {
  readonly timestamp: number;
  readonly value: string;
  readonly endpoint: Json | undefined;
}

/** A v2 span before it is normalized. */
interface Draft {
  localEndpoint?: Json | undefined;
  remoteEndpoint?: Json | undefined;
  kind?: SpanKind;
  timestamp?: number;
  duration?: number | undefined;
  shared?: true;
  readonly annotations: { timestamp: number; value: string }[];
  readonly tags: Map<string, string>;
}

/** Annotations with a meaning: client and server send and receive, messages, and wire events. */
const CORE_KINDS: ReadonlyMap<string, SpanKind | null> = new Map([
  ["cs", "CLIENT"],
  ["cr", "CLIENT"],
  ["sr", "SERVER"],
  ["ss", "SERVER"],
  ["ms", "PRODUCER"],
  ["mr", "CONSUMER"],
  ["ws", null],
  ["wr", null],
]);

/** Whether an object is a v1 span: v2 has neither binary annotations nor annotations with endpoints. */
export function isZipkinV1({ binaryAnnotations, annotations }: Json): boolean {
  if (binaryAnnotations !== undefined) return true;
  return Array.isArray(annotations) && annotations.some((item) => isRecord(item) && "endpoint" in item);
}

/**
 * Converts one v1 span to v2: to two spans if client and server share it.
 * @param index position of the span in its list, for messages
 * @throws {ZipkinError} that says what is wrong and where
 */
export function convertZipkinV1(value: unknown, index: number): Span[] {
  try {
    const json = readObject(value, "");
    const { traceId, id, parentId, name, debug } = json;
    return new Conversion(json).drafts.map(({ tags, ...draft }) =>
      normalizeSpan({ traceId, id, parentId, name, debug, ...draft, tags: Object.fromEntries(tags) }, index),
    );
  } catch (error) {
    throw placeMisfit(error, index);
  }
}

/** The conversion of one span; the first draft gets everything that has no endpoint. */
class Conversion {
  readonly drafts: [Draft, ...Draft[]] = [newDraft()];
  /** The first draft of each service name. */
  readonly #byName = new Map<string, Draft>();
  readonly #core = new Map<string, Annotation>();
  readonly #timestamp: number;
  readonly #duration: number;

  constructor(json: Json) {
    this.#timestamp = readWholeNumber(json.timestamp, ".timestamp") ?? 0;
    this.#duration = readWholeNumber(json.duration, ".duration") ?? 0;
    // In Zipkin's order: the first service determines which span gets the tags without an endpoint.
    const annotations = [...readAnnotations(json.annotations)];
    annotations.sort((a, b) => a.timestamp - b.timestamp || compareText(a.value, b.value));
    for (const annotation of annotations) this.#addAnnotation(annotation);
    this.#addCallTimes();
    this.#addMessageTimes();
    this.#addBinaryAnnotations(json.binaryAnnotations);
  }

  #addAnnotation(annotation: Annotation): void {
    const { value, endpoint } = annotation;
    const draft = this.#draftOf(endpoint);
    const kind = endpoint === undefined ? undefined : CORE_KINDS.get(value);
    if (kind === undefined) annotate(draft, annotation);
    else {
      this.#core.set(value, annotation);
      if (kind !== null) draft.kind = kind;
    }
  }

  #addCallTimes(): void {
    const [cr, ss] = [this.#core.get("cr"), this.#core.get("ss")];
    const cs = this.#core.get("cs") ?? this.#inferStart("cs", cr);
    const sr = this.#core.get("sr") ?? this.#inferStart("sr", ss);
    if (cs !== undefined && sr !== undefined) {
      // The client's side owns the duration of a shared span.
      this.#setTimes(cs, cr);
      const client = this.#draftOf(cs.endpoint);
      let server: Draft;
      if (hasSameName(cs.endpoint, sr.endpoint)) {
        // A service that calls itself still has two spans.
        client.kind = "CLIENT";
        server = this.#addDraft(sr.endpoint);
        server.kind = "SERVER";
      } else server = this.#draftOf(sr.endpoint);
      server.shared = true;
      server.timestamp = sr.timestamp;
      if (ss !== undefined) server.duration = ss.timestamp - sr.timestamp;
      if (cr === undefined && this.#duration === 0) client.duration = undefined;
    } else if (cs !== undefined && cr !== undefined) this.#setTimes(cs, cr);
    else if (sr !== undefined && ss !== undefined) this.#setTimes(sr, ss);
    else this.#addIncompleteCall(cs, sr);
    // v1 has no `shared` flag: a server whose span has no times of its own shares its client's.
    const isTimeless = this.#timestamp === 0 || (ss !== undefined && this.#duration === 0);
    if (cs === undefined && sr !== undefined && isTimeless) this.#draftOf(sr.endpoint).shared = true;
  }

  /** Infers a start that nobody annotated, if the span's own times end with the end annotation. */
  #inferStart(value: string, end: Annotation | undefined): Annotation | undefined {
    if (end === undefined || this.#timestamp === 0 || this.#duration === 0) return undefined;
    if (this.#timestamp + this.#duration !== end.timestamp) return undefined;
    const start = { timestamp: this.#timestamp, value, endpoint: end.endpoint };
    this.#core.set(value, start);
    return start;
  }

  #addIncompleteCall(cs: Annotation | undefined, sr: Annotation | undefined): void {
    for (const draft of this.drafts) {
      const [start, end] =
        draft.kind === "CLIENT"
          ? [cs, this.#core.get("cr")]
          : draft.kind === "SERVER"
            ? [sr, this.#core.get("ss")]
            : [];
      if (start !== undefined) draft.timestamp = start.timestamp;
      if (end !== undefined) annotate(draft, end);
    }
    if (this.#timestamp === 0) return;
    const [first] = this.drafts;
    first.timestamp = this.#timestamp;
    first.duration = this.#duration;
  }

  #addMessageTimes(): void {
    const [ms, mr] = [this.#core.get("ms"), this.#core.get("mr")];
    const [ws, wr] = [this.#core.get("ws"), this.#core.get("wr")];
    if (ms !== undefined && mr !== undefined) {
      const producer = this.#draftOf(ms.endpoint);
      let consumer: Draft;
      if (hasSameName(ms.endpoint, mr.endpoint)) {
        producer.kind = "PRODUCER";
        consumer = this.#addDraft(mr.endpoint);
        consumer.kind = "CONSUMER";
      } else consumer = this.#draftOf(mr.endpoint);
      consumer.shared = true;
      consumer.timestamp = (wr ?? mr).timestamp;
      if (wr !== undefined) consumer.duration = mr.timestamp - wr.timestamp;
      producer.timestamp = ms.timestamp;
      producer.duration = ws === undefined ? undefined : ws.timestamp - ms.timestamp;
    } else if (ms !== undefined) this.#setTimes(ms, ws);
    else if (mr !== undefined) this.#setTimes(wr ?? mr, wr === undefined ? undefined : mr);
    else for (const wire of [ws, wr]) if (wire) annotate(this.#draftOf(wire.endpoint), wire);
  }

  #setTimes(start: Annotation, end: Annotation | undefined): void {
    const draft = this.#draftOf(start.endpoint);
    const isOwn = this.#timestamp !== 0 && this.#duration !== 0;
    draft.timestamp = isOwn ? this.#timestamp : start.timestamp;
    if (isOwn) draft.duration = this.#duration;
    else if (end !== undefined) draft.duration = end.timestamp - start.timestamp;
  }

  #addBinaryAnnotations(value: unknown): void {
    const addresses = new Map<string, Json | undefined>();
    const annotations = [...readBinaryAnnotations(value)].sort((a, b) => compareText(a.key, b.key));
    for (const { key, text, endpoint } of annotations) {
      if (ADDRESSES.has(key)) addresses.set(key, endpoint);
      else {
        const { tags } = this.#draftOf(endpoint);
        if (key !== "lc" || text !== "") tags.set(key, text);
      }
    }
    const [ca, sa, ma] = [addresses.get("ca"), addresses.get("sa"), addresses.get("ma")];
    const [cs, cr] = [this.#core.get("cs"), this.#core.get("cr")];
    const server = this.#core.get("sr") ?? this.#core.get("ss");
    if (cs === undefined && cr === undefined && server === undefined && (ca ?? sa) !== undefined) {
      const draft = this.#draftOf(sa === undefined ? undefined : ca);
      if (sa === undefined) draft.kind = "SERVER";
      draft.remoteEndpoint = sa ?? ca;
      return;
    }
    if (ca !== undefined && server !== undefined && !isSame(ca, server.endpoint)) {
      // Finagle gives the client's socket the server's name; keeping it would make the service call itself.
      const caller = hasSameName(ca, server.endpoint) ? { ...ca, serviceName: undefined } : ca;
      this.#draftOf(server.endpoint).remoteEndpoint = caller;
    }
    const client = cs ?? cr;
    if (sa !== undefined && client !== undefined) this.#draftOf(client.endpoint).remoteEndpoint = sa;
    for (const end of [this.#core.get("ms"), this.#core.get("mr")])
      if (ma !== undefined && end !== undefined) this.#draftOf(end.endpoint).remoteEndpoint = ma;
  }

  #draftOf(endpoint: Json | undefined): Draft {
    const [first] = this.drafts;
    if (endpoint === undefined) return first;
    if (first.localEndpoint === undefined) {
      first.localEndpoint = endpoint;
      this.#byName.set(nameOf(endpoint), first);
    }
    return this.#byName.get(nameOf(endpoint)) ?? this.#addDraft(endpoint);
  }

  #addDraft(endpoint: Json | undefined): Draft {
    const draft = { ...newDraft(), localEndpoint: endpoint };
    this.drafts.push(draft);
    if (!this.#byName.has(nameOf(endpoint))) this.#byName.set(nameOf(endpoint), draft);
    return draft;
  }
}

const ADDRESSES: ReadonlySet<string> = new Set(["ca", "sa", "ma"]);

function annotate(draft: Draft, { timestamp, value }: Annotation): void {
  draft.annotations.push({ timestamp, value });
}

function newDraft(): Draft {
  return { annotations: [], tags: new Map() };
}

function* readAnnotations(value: unknown): Generator<Annotation> {
  for (const [json, path] of listOf(value, ".annotations")) {
    const timestamp = readWholeNumber(json.timestamp, `${path}.timestamp`);
    const text = readText(json.value, `${path}.value`);
    if (timestamp === undefined || text === undefined) throw new Misfit("Incomplete annotation", path);
    yield { timestamp, value: text, endpoint: readEndpoint(json.endpoint, path) };
  }
}

/** As in Zipkin, a value that is not a string is dropped, except the `true` of an address. */
function* readBinaryAnnotations(value: unknown) {
  for (const [json, path] of listOf(value, ".binaryAnnotations")) {
    const key = readText(json.key, `${path}.key`);
    if (key === undefined) throw new Misfit("No key", path);
    const endpoint = readEndpoint(json.endpoint, path);
    if (typeof json.value === "string") yield { key, text: json.value, endpoint };
    else if (json.value === true && ADDRESSES.has(key) && endpoint) yield { key, text: "", endpoint };
  }
}

function* listOf(value: unknown, path: string): Generator<readonly [Json, string]> {
  if (isAbsent(value)) return;
  if (!Array.isArray(value)) throw misfit("a list", value, path);
  for (const [index, item] of value.entries())
    yield [readObject(item, `${path}[${index}]`), `${path}[${index}]`];
}

/** `undefined` for an endpoint without content. */
function readEndpoint(value: unknown, path: string): Json | undefined {
  if (isAbsent(value)) return undefined;
  const json = readObject(value, `${path}.endpoint`);
  return Object.values(json).some((item) => !isAbsent(item) && item !== "") ? json : undefined;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function hasSameName(a: Json | undefined, b: Json | undefined): boolean {
  return nameOf(a) === nameOf(b);
}

function nameOf(endpoint: Json | undefined): string {
  return typeof endpoint?.serviceName === "string" ? endpoint.serviceName.toLowerCase() : "";
}

function isSame(a: Json, b: Json | undefined): boolean {
  return hasSameName(a, b) && ["ipv4", "ipv6", "port"].every((key) => (a[key] ?? 0) === (b?.[key] ?? 0));
}
