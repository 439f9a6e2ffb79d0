import { parseExactly, withSource } from "../../lib/exact-json.ts";
import { parseWellFormed } from "../../lib/well-formed-json.ts";
import { findMembers, type Place, textAt } from "../json-slices.ts";
import type { SpanCollection } from "./span-collection.ts";

/** One format of trace files. */
export interface TraceFormat {
  /** As users know it. */
  readonly name: string;
  /** Whether an object of the file has this format. */
  matches(object: JsonObject): boolean;
  /**
   * Reads an object of this format.
   * @param walk reads a list, or an object of another format, that lies inside it
   * @throws {SyntaxError | OtlpError} when the text is no JSON, or its shape is wrong as a whole
   */
  read(object: JsonObject, spans: SpanCollection, walk: (place: Place) => void): void;
}

/** An object that is smaller than this is parsed to know its fields; to walk through it takes three times as long. */
const SMALL_BYTES = 64 * 1024;

/** An object in the bytes of a file, which may be as large as the file: it is parsed when a format needs its value. */
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

  /** Its value with each number as it is written: where numbers stand for strings, as Zipkin takes them. @throws {SyntaxError} */
  get textValue(): unknown {
    return parseWellFormed(
      this.text,
      withSource((source) => source),
    );
  }

  /** Where the values of its fields are. @throws {SyntaxError} */
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
