import type { Socket } from "bun";
import { BodyReader } from "./body-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CLOSED, type Failure, RESET, TOO_LARGE, TRUNCATED } from "./failure.ts";
import { exposeMistake } from "./handler-error.ts";
import { Input } from "./input.ts";
import type { ClientLimits } from "./limits.ts";
import { BAD_STATUS, BODY_TOO_LARGE, HEAD_TOO_LARGE, INCOMPLETE, problemOf } from "./problem.ts";
import { type CallListener, Reply } from "./reply.ts";
import { isHeadMethod } from "./request-head.ts";
import { ResponseHead } from "./response-head.ts";
import { TlsRecords } from "./tls-records.ts";

/** What a connection needs from its pool. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  /** The call has ended, and the connection can carry another. */
  keep(connection: ClientConnection): void;
  /** The connection is closed. */
  forget(connection: ClientConnection): void;
  /** A reused connection turned out to be closed: the call moves to another one. */
  repeat(connection: ClientConnection, listener: CallListener): void;
  /** Finds the cause of a failed attempt to connect. */
  explain(error: unknown): Promise<Failure>;
  /** Tells a listener that its call failed, but never before `call` has returned. */
  tellFailure(listener: CallListener, failure: Failure, isRepeated: boolean): void;
}

/**
 *     connecting -> idle -> head -> body -> idle     `head` and `body`: the part expected next
 *          |          |       |       |
 *          +----------+-------+-------+-> closed
 */
type State = "connecting" | "idle" | "head" | "body" | "closed";

/** Maximum number of interim answers (status below 200) before the final one. Go accepts five. */
const MAX_INTERIM = 8;
/** A connection that waits for its next call keeps at most this much buffer. */
const MAX_KEPT_BYTES = 16 * 1024;

const NO_BODY = new Uint8Array(0);

/** One connection of a client; it carries one call at a time. */
export class ClientConnection {
  /** Deadline of the call, as a time of `performance.now()`. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** When it was last returned to the pool, and when it was created, in ticks of the pool. */
  idleTick = 0;
  bornTick = 0;
  /** It must not be reused. */
  isOld = false;
  /** Its index in the pool. */
  index = -1;
  readonly request = new ByteWriter(512);
  /** The part of the request that follows, if given separately; it is not copied. */
  body: Uint8Array = NO_BODY;
  readonly #owner: ConnectionOwner;
  readonly #head = new ResponseHead();
  readonly #body: BodyReader;
  readonly #reply: Reply;
  readonly #input = new Input();
  /** Watches the encrypted bytes of a TLS server; `null` for plain TCP. */
  #records: TlsRecords | null = null;
  #socket: Socket<ClientConnection> | null = null;
  #state: State = "connecting";
  #listener: CallListener | null = null;
  /** Bytes of the request that were sent. */
  #sentBytes = 0;
  /** It has carried an earlier call. */
  #isUsed = false;
  #isRepeated = false;
  #hasHeard = false;
  /** A write failed: the runtime then reports the end of the connection as if the server had closed it properly. */
  #isBroken = false;
  #asksHead = false;
  #interim = 0;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    this.#body = new BodyReader(owner.limits.keptBodyBytes);
    this.#reply = new Reply(this.#head, this.#body);
  }

  get hasCall(): boolean {
    return this.#listener !== null;
  }

  /** There is no socket yet that could be closed. */
  get isConnecting(): boolean {
    return this.#state === "connecting" && this.#socket === null;
  }

  /** Sends a request, or keeps it until the connection is established. */
  start(
    bytes: Uint8Array,
    length: number,
    deadlineMs: number,
    listener: CallListener,
    isRepeated: boolean,
    body: Uint8Array = NO_BODY,
  ): void {
    this.body = body;
    this.request.length = 0;
    this.request.copy(bytes, 0, length);
    this.deadlineMs = deadlineMs;
    this.#listener = listener;
    this.#isRepeated = isRepeated;
    this.#sentBytes = 0;
    this.#hasHeard = false;
    this.#interim = 0;
    this.#asksHead = isHeadMethod(bytes, 0);
    if (this.#state === "connecting") return;
    this.#state = "head";
    this.drain();
  }

  /** The TCP connection is established, but not yet its TLS session. */
  attach(socket: Socket<ClientConnection>): void {
    this.#socket = socket;
    this.#records = new TlsRecords();
    if (this.#state === "closed") socket.terminate();
  }

  /** Encrypted bytes arrived; {@link receiveDecrypted} gets their content next. */
  noteRecords(chunk: Buffer): void {
    this.#records?.push(chunk);
  }

  receiveDecrypted(chunk: Buffer): void {
    this.#records?.noteData(chunk.length);
    this.receive(chunk);
  }

  /** The attempt to connect failed. */
  failToConnect(error: unknown): void {
    if (this.#listener === null) {
      this.destroy();
      return;
    }
    // The call may reach its deadline in the meantime.
    this.#owner.explain(error).then((failure) => this.fail(failure), exposeMistake);
  }

  /** The connection is established. */
  open(socket: Socket<ClientConnection>): void {
    this.#socket = socket;
    if (this.#state === "closed") {
      socket.terminate();
      return;
    }
    if (this.#listener === null) {
      this.#state = "idle";
      this.#owner.keep(this);
      return;
    }
    this.#state = "head";
    this.drain();
  }

  /** Sends the rest of the request. */
  drain(): void {
    const { bytes, length } = this.request;
    if (this.#socket === null || this.#state === "connecting" || this.#listener === null) return;
    if (this.#sentBytes < length) {
      this.#noteSent(this.#socket.write(bytes, this.#sentBytes, length - this.#sentBytes));
    }
    const { body } = this;
    const sentBody = this.#sentBytes - length;
    if (sentBody < 0 || sentBody === body.length) return;
    this.#noteSent(this.#socket.write(body, sentBody, body.length - sentBody));
  }

  #noteSent(count: number): void {
    if (count > 0) this.#sentBytes += count;
    else if (count < 0) this.#isBroken = true;
  }

  receive(chunk: Buffer): void {
    if (this.#state === "idle") {
      // Unexpected bytes: a second reply to one request, or a 408 before the server closes.
      this.destroy();
      return;
    }
    if (this.#state === "closed") return;
    this.#hasHeard = true;
    this.#input.push(chunk);
    if (this.#state === "head" && !this.#readHead()) return;
    if (this.#state === "body") this.#readBody();
  }

  /** The connection ended: the server closed it, or an error occurred. */
  close(error: Error | undefined): void {
    if (this.#state === "closed") return;
    const failure = this.#endFailure(error);
    if (failure === null && this.#state === "body" && this.#body.isUntilClose) {
      this.#body.finishAtClose();
      this.#complete();
      return;
    }
    // At most once: the second attempt uses a new connection.
    const mayRepeat = this.#isUsed && !this.#hasHeard && isSafe(this.request.bytes);
    const listener = this.#listener;
    if (mayRepeat && listener !== null) {
      this.destroy();
      this.#owner.repeat(this, listener);
      return;
    }
    this.fail(failure ?? CLOSED);
  }

  /** `null` if the server closed the connection properly, which completes a body that ends with the connection. */
  #endFailure(error: Error | undefined): Failure | null {
    if (error !== undefined || this.#isBroken) return RESET;
    if (this.#state !== "body" || !this.#body.isUntilClose || this.#records === null) return null;
    return this.#records.endsWithAlert ? null : TRUNCATED;
  }

  /** Ends the call, if there is one, and the connection. */
  fail(failure: Failure): void {
    const listener = this.#listener;
    if (this.#state === "closed") return;
    // The server's further work for this call is useless: a reset tells it immediately.
    const socket = this.#socket;
    this.#socket = listener === null ? socket : null;
    this.destroy();
    if (listener === null) return;
    socket?.terminate();
    this.#owner.tellFailure(listener, failure, this.#isRepeated);
  }

  /** Ends only the call: an attempt to connect cannot be canceled, and the resulting connection is kept. */
  abandon(failure: Failure): void {
    const listener = this.#listener;
    this.#listener = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (listener !== null) this.#owner.tellFailure(listener, failure, this.#isRepeated);
  }

  destroy(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#listener = null;
    this.#input.clear();
    this.#socket?.end();
    this.#owner.forget(this);
  }

  /** Whether a complete head was read that answers a request. */
  #readHead(): boolean {
    const input = this.#input;
    const head = this.#head;
    const { headBytes } = this.#owner.limits;
    for (;;) {
      const next = head.scan(input.bytes, input.at, input.end);
      if (next < 0) {
        if (next !== INCOMPLETE) this.#failFor(next);
        else if (input.size > headBytes) this.#failFor(HEAD_TOO_LARGE);
        return false;
      }
      if (next - input.at > headBytes) {
        this.#failFor(HEAD_TOO_LARGE);
        return false;
      }
      input.at = next;
      if (head.status >= 200) break;
      // No upgrade was requested, and no server needs this many interim answers.
      if (head.status === 101 || ++this.#interim > MAX_INTERIM) {
        this.#failFor(BAD_STATUS);
        return false;
      }
      if (input.at === input.end) return false;
    }
    return this.#beginBody();
  }

  #beginBody(): boolean {
    const { fields } = this.#head;
    const { bodyBytes } = this.#owner.limits;
    this.#state = "body";
    if (this.#asksHead || this.#head.isBodiless) this.#body.beginEmpty();
    else if (fields.isChunked) this.#body.beginChunked(bodyBytes);
    else if (fields.contentLength === -1) this.#body.beginUntilClose(bodyBytes);
    else if (this.#body.beginLength(fields.contentLength, bodyBytes) !== 0) {
      this.fail(TOO_LARGE);
      return false;
    }
    return true;
  }

  #readBody(): void {
    const input = this.#input;
    if (!this.#body.isDone) {
      const next = this.#body.read(input.bytes, input.at, input.end);
      if (next < 0) {
        this.#failFor(next);
        return;
      }
      input.at = next;
      if (!this.#body.isDone) return;
    }
    this.#complete();
  }

  #complete(): void {
    const listener = this.#listener as CallListener;
    const isReusable =
      this.#head.keepsAlive &&
      !this.#body.isUntilClose &&
      this.#input.size === 0 &&
      this.#sentBytes === this.request.length + this.body.length &&
      !this.isOld;
    this.#listener = null;
    this.body = NO_BODY;
    this.#input.clear();
    this.#isUsed = true;
    if (isReusable) {
      this.request.shrink(MAX_KEPT_BYTES);
      this.#state = "idle";
      this.#owner.keep(this);
    } else {
      this.destroy();
    }
    listener.onReply(this.#reply, this.#isRepeated);
    this.#body.shrink(MAX_KEPT_BYTES);
  }

  #failFor(problem: number): void {
    if (problem === BODY_TOO_LARGE) this.fail(TOO_LARGE);
    else this.fail({ reason: "malformed_response", message: problemOf(problem).text });
  }
}

const SAFE_METHODS = ["GET ", "HEAD ", "OPTIONS "].map((method) => Buffer.from(method));

/** Whether a request may be sent twice, because its method is safe (RFC 9110, 9.2.1). */
function isSafe(request: Uint8Array): boolean {
  return SAFE_METHODS.some((method) => method.every((byte, i) => request[i] === byte));
}
