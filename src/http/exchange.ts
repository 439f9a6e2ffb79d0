import { type Answer, CONNECTION, renderField, statusLine } from "./answer.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { lowerBytes } from "./characters.ts";
import { isSameName } from "./fields.ts";
import type { RequestHead } from "./request-head.ts";
import { authorityOf, pathOf } from "./target.ts";

/** The address from which a request came. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** What an exchange needs from its connection. */
interface ExchangeConnection {
  readonly body: { view(): Buffer };
  readonly peer: Peer | null;
  readonly isClosed: boolean;
  beginAnswer(head: Uint8Array, status: number): ByteWriter;
  finishAnswer(body: Uint8Array, start: number, end: number): void;
  closeAfterAnswer(): void;
  leaveUnanswered(): void;
  terminate(): void;
}

const NOTHING = Buffer.alloc(0);
const CLOSE = lowerBytes("close");

/**
 * One request and the answer to it. A connection has one exchange for its whole life. It is valid until it is answered,
 * which a handler does exactly once, immediately or later.
 *
 * Strings are created on demand. What is read for every request is better read in place: `head` holds offsets into the
 * bytes.
 */
export class Exchange {
  readonly head: RequestHead;
  /** A value that the handler keeps for this connection. */
  attachment: unknown = null;
  /** Called if the connection closes before the answer. The handler sets it once per connection. */
  onGone: (() => void) | null = null;
  readonly #connection: ExchangeConnection;
  #target: string | null = null;

  constructor(connection: ExchangeConnection, head: RequestHead) {
    this.#connection = connection;
    this.head = head;
  }

  get method(): string {
    const { head } = this;
    return head.isHead ? "HEAD" : this.#text(head.methodStart, head.methodEnd);
  }

  /** Path and query as sent; for a target such as `http://host/path`, only the part after the host. */
  get target(): string {
    if (this.#target === null) {
      const { head } = this;
      const text = this.#text(head.targetStart, head.targetEnd);
      this.#target = text.startsWith("/") ? text : pathOf(text);
    }
    return this.#target;
  }

  /** The requested host, with its port if given: from the target if it has one, otherwise from `Host`. */
  get host(): string | null {
    return authorityOf(this.#text(this.head.targetStart, this.head.targetEnd)) ?? this.header("host");
  }

  /** The target without its query. */
  get path(): string {
    const query = this.target.indexOf("?");
    return query === -1 ? this.target : this.target.slice(0, query);
  }

  /** `null` if the header is absent; several lines are joined by a comma and a space. The name may have any case. */
  readonly header = (name: string): string | null => this.head.fields.get(name);

  /** The whole body; it stays valid after the answer. */
  get body(): Buffer {
    return this.#connection.body.view();
  }

  get peer(): Peer | null {
    return this.#connection.peer;
  }

  /** The caller has closed the connection, so an answer would not arrive. */
  get isGone(): boolean {
    return this.#connection.isClosed;
  }

  /**
   * Never answers: the connection stays open until the caller ends its side or the server stops. {@link onGone} is called
   * then, possibly before this returns.
   */
  leaveUnanswered(): void {
    this.#connection.leaveUnanswered();
  }

  /** Resets the connection instead of answering. {@link onGone} is called, possibly before this returns. */
  reset(): void {
    this.#connection.terminate();
  }

  /** Closes the connection after this answer. */
  closeAfter(): void {
    this.#connection.closeAfterAnswer();
  }

  /**
   * Answers. A `Connection: close` header takes effect.
   * @throws {TypeError} if a header cannot be sent; nothing was written then
   * @throws {RangeError} if the status is invalid
   */
  answer({ status, headers, body }: Answer): void {
    let lines = "";
    for (const field of headers) {
      if (isSameName(field[0], CONNECTION) && isSameName(field[1], CLOSE)) this.closeAfter();
      else lines += renderField(field);
    }
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const out = this.begin(statusLine(status), status);
    out.latin1(lines);
    this.finish(bytes, 0, bytes.length);
  }

  /**
   * Begins an answer with bytes of {@link prepareHead}. The caller may write more header lines to the returned writer.
   * They are not checked, so a value from outside must be one that was read from a head. Call {@link finish} before
   * anything else.
   */
  begin(preparedHead: Uint8Array, status: number): ByteWriter {
    return this.#connection.beginAnswer(preparedHead, status);
  }

  /** Ends the head, appends `body` from `start` to `end`, and sends everything in one write. */
  finish(body: Uint8Array = NOTHING, start = 0, end: number = body.length): void {
    this.#connection.finishAnswer(body, start, end);
  }

  /** Prepares for the connection's next request. */
  renew(): void {
    this.#target = null;
  }

  #text(start: number, end: number): string {
    return this.head.fields.bytes.toString("latin1", start, end);
  }
}

/** Answers an exchange: immediately, or by keeping it and answering later. */
export type Handler = (exchange: Exchange) => void;

/** The answer if a handler failed. */
export const FAILURE: Answer = {
  status: 500,
  headers: [["Content-Type", "application/json"]],
  body: '{"message":"Internal Server Error"}\n',
};

/** Makes a handler of a function that returns its answer. If the function throws, the answer is 500. */
export function answerWith(give: (request: Exchange) => Answer | Promise<Answer>): Handler {
  return (exchange) => {
    const given = give(exchange);
    if (given instanceof Promise) {
      given.then(
        (answer) => sendAnswer(exchange, answer),
        () => exchange.answer(FAILURE),
      );
    } else {
      exchange.answer(given);
    }
  };
}

function sendAnswer(exchange: Exchange, answer: Answer): void {
  try {
    exchange.answer(answer);
  } catch {
    exchange.answer(FAILURE);
  }
}
