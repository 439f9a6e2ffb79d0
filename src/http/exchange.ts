import { type Answer, CONNECTION, renderField, statusLine } from "./answer.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { lowerBytes } from "./characters.ts";
import { isSameName } from "./fields.ts";
import type { RequestHead } from "./request-head.ts";
import { authorityOf, pathOf } from "./target.ts";

/** Where a request came from. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** What an exchange needs of the connection that it is on. */
export interface ExchangeConnection {
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
 * One request and the answer to it. A connection has one of these for its whole life: it is valid until it is answered,
 * which a handler does exactly once, at once or later.
 *
 * Texts are made when they are asked for. What is read for each request is better read in place: `head` holds positions
 * into bytes.
 */
export class Exchange {
  readonly head: RequestHead;
  /** What the handler keeps for the connection. */
  attachment: unknown = null;
  /** Hears that the connection is gone before the answer. The handler sets it for the connection. */
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

  /** Path and query as sent; of `http://host/path` only what stands behind the host. */
  get target(): string {
    if (this.#target === null) {
      const { head } = this;
      const text = this.#text(head.targetStart, head.targetEnd);
      this.#target = text.startsWith("/") ? text : pathOf(text);
    }
    return this.#target;
  }

  /** The host that was asked for, with its port if one was named: of the target where that has one, else `Host`. */
  get host(): string | null {
    return authorityOf(this.#text(this.head.targetStart, this.head.targetEnd)) ?? this.header("host");
  }

  /** The target without its query. */
  get path(): string {
    const query = this.target.indexOf("?");
    return query === -1 ? this.target : this.target.slice(0, query);
  }

  /** `null` when the header is absent; several lines are joined by a comma and a space. In whatever case. */
  readonly header = (name: string): string | null => this.head.fields.get(name);

  /** Whole; it stays valid behind the answer. */
  get body(): Buffer {
    return this.#connection.body.view();
  }

  get peer(): Peer | null {
    return this.#connection.peer;
  }

  /** The caller is gone, and an answer would go nowhere. */
  get isGone(): boolean {
    return this.#connection.isClosed;
  }

  /**
   * Instead of an answer, nothing, ever: the connection is closed when the caller ends its side or the server stops.
   * {@link onGone} hears of it, perhaps before this returns.
   */
  leaveUnanswered(): void {
    this.#connection.leaveUnanswered();
  }

  /** Instead of an answer, a reset of the connection. {@link onGone} hears of it, perhaps before this returns. */
  reset(): void {
    this.#connection.terminate();
  }

  /** The answer is the last on this connection. */
  closeAfter(): void {
    this.#connection.closeAfterAnswer();
  }

  /**
   * Answers. `Connection: close` among the headers does what it says.
   * @throws {TypeError} A header cannot be sent; nothing was written.
   * @throws {RangeError} The status is none.
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
   * Begins an answer with bytes of {@link prepareHead}. More header lines may be written to what comes back; nobody
   * looks at them, so that a value which came from outside must be one that was read from a head. {@link finish} must
   * follow before anything else is done.
   */
  begin(preparedHead: Uint8Array, status: number): ByteWriter {
    return this.#connection.beginAnswer(preparedHead, status);
  }

  /** Ends the head, adds `body` from `start` to `end` and sends everything in one write. */
  finish(body: Uint8Array = NOTHING, start = 0, end: number = body.length): void {
    this.#connection.finishAnswer(body, start, end);
  }

  /** For the connection: the next request. */
  renew(): void {
    this.#target = null;
  }

  #text(start: number, end: number): string {
    return this.head.fields.bytes.toString("latin1", start, end);
  }
}

/** Answers an exchange: at once, or by keeping it and answering later. */
export type Handler = (exchange: Exchange) => void;

/** The answer to a request whose handler failed. */
export const FAILURE: Answer = {
  status: 500,
  headers: [["Content-Type", "application/json"]],
  body: '{"message":"Internal Server Error"}\n',
};

/** A handler from a function that gives its answer back. One that throws is answered with 500. */
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
