import type { BodyReader } from "./body-reader.ts";
import type { Failure } from "./failure.ts";
import type { Fields } from "./fields.ts";
import type { ResponseHead } from "./response-head.ts";

/**
 * A reply, read whole. A connection has one of these for its whole life: it is valid while {@link CallListener.onReply}
 * runs. Texts are made when they are asked for; what is read for each reply is better read in place.
 */
export class Reply {
  readonly #head: ResponseHead;
  /** In place: `bytes` from `start` to `end`. These bytes are never overwritten. */
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

  /** `null` when the header is absent; several lines are joined by a comma and a space. In whatever case. */
  header(name: string): string | null {
    return this.#head.fields.get(name);
  }

  /** As it was sent: what is compressed stays so. It stays valid. */
  get body(): Buffer {
    return this.content.view();
  }
}

/**
 * Hears how a call ended: one of the two, once, and never within `call`. Neither may throw.
 *
 * `isRepeated`: the request may have arrived twice, as the connection was closed when it was used again.
 */
export interface CallListener {
  onReply(reply: Reply, isRepeated: boolean): void;
  onFailure(failure: Failure, isRepeated: boolean): void;
}
