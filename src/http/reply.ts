import type { BodyReader } from "./body-reader.ts";
import type { Failure } from "./failure.ts";
import type { Fields } from "./fields.ts";
import type { ResponseHead } from "./response-head.ts";

/**
 * A complete reply. A connection has one of these for its whole life: it is valid while {@link CallListener.onReply} runs.
 * Strings are created on demand; what is read for every reply is better read in place.
 */
export class Reply {
  readonly #head: ResponseHead;
  /** The body in place: `bytes` from `start` to `end`. These bytes are never overwritten. */
  readonly content: BodyReader;

  constructor(head: ResponseHead, content: BodyReader) {
    this.#head = head;
    this.content = content;
  }

  /** 200 to 599. */
  get status(): number {
    return this.#head.status;
  }

  get fields(): Fields {
    return this.#head.fields;
  }

  /** `null` if the header is absent; several lines are joined by a comma and a space. The name may have any case. */
  header(name: string): string | null {
    return this.#head.fields.get(name);
  }

  /** The body as sent, not decompressed. It stays valid. */
  get body(): Buffer {
    return this.content.view();
  }
}

/**
 * Gets the result of a call: exactly one of its methods is called, once, and never before `call` has returned. Neither may
 * throw.
 *
 * `isRepeated`: the server may have received the request twice, because it closed a reused connection.
 */
export interface CallListener {
  onReply(reply: Reply, isRepeated: boolean): void;
  onFailure(failure: Failure, isRepeated: boolean): void;
}
