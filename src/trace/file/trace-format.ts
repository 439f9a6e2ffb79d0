import { parseExactly, withSource } from "../../lib/exact-json.ts";
import { parseWellFormed } from "../../lib/well-formed-json.ts";
import { findMembers, type Place, textAt } from "../json-slices.ts";
import type { SpanCollection } from "./span-collection.ts";

/** One format of trace files. */
export interface TraceFormat {
  /** The name that users know. */
  readonly name: string;
  /** Whether an object of the file has this format. */
  matches(object: JsonObject): boolean;
  /**
   * Reads an object of this format.
   * @param walk reads a list, or an object of another format, nested inside this object
   * @throws {SyntaxError | OtlpError} if the text is malformed JSON, or does not have the format's shape
   */
  read(object: JsonObject, spans: SpanCollection, walk: (place: Place) => void): void;
}

/** Smaller objects are parsed to find their fields, because walking takes three times as long. */
const SMALL_BYTES = 64 * 1024;

/** An object in the bytes of a file. It may be as large as the file, so it is parsed only when a format needs its value. */
export class JsonObject {
  #value: Readonly<Record<string, unknown>> | undefined;
  #fields: ReadonlyMap<string, Place> | undefined;

  constructor(
    readonly bytes: Uint8Array,
    readonly place: Place,
  ) {}

  get text(): string {
    return textAt(this.bytes, this.place);
  }

  /** @throws {SyntaxError} */
  get value(): Readonly<Record<string, unknown>> {
    this.#value ??= parseExactly(this.text) as Readonly<Record<string, unknown>>;
    return this.#value;
  }

  /** The value with each number as its source text, for formats in which numbers replace strings, as in Zipkin. @throws {SyntaxError} */
  get textValue(): unknown {
    return parseWellFormed(
      this.text,
      withSource((source) => source),
    );
  }

  /** The positions of the values of its fields. @throws {SyntaxError} */
  get fields(): ReadonlyMap<string, Place> {
    this.#fields ??= findMembers(this.bytes, this.place);
    return this.#fields;
  }

  /** @throws {SyntaxError} */
  has(...keys: readonly string[]): boolean {
    const isSmall = this.place.end - this.place.start < SMALL_BYTES;
    return keys.every((key) => (isSmall ? Object.hasOwn(this.value, key) : this.fields.has(key)));
  }
}
