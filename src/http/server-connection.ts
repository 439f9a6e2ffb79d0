import type { Socket } from "bun";
import { prepareHead } from "./answer.ts";
import { BodyReader } from "./body-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LF } from "./characters.ts";
import { dateLine } from "./date.ts";
import { Exchange, FAILURE, type Peer } from "./exchange.ts";
import { Input } from "./input.ts";
import { Output } from "./output.ts";
import {
  BODY_TIMEOUT,
  BODY_TOO_LARGE,
  HEAD_TIMEOUT,
  HEAD_TOO_LARGE,
  INCOMPLETE,
  problemOf,
} from "./problem.ts";
import { RequestHead } from "./request-head.ts";
import type { ServerContext } from "./server-context.ts";

/**
 *     idle -> head -> body -> answering -> flushing -> idle      a request that arrives in one piece goes
 *                                 |            |                 from idle to answering directly
 *                                 +------------+-> lingering -> closed
 *
 * `flushing`: the peer is not reading its answer, and no further request is read until it does. `lingering`: the answer is
 * sent and our side has ended, but further bytes from the peer are read and discarded, because closing would reset the
 * connection and could destroy the answer (RFC 9112, 9.6).
 */
type State = "idle" | "head" | "body" | "answering" | "flushing" | "lingering" | "closed";

const LINGER_MS = 2000;
/** Maximum buffered bytes of pipelined requests; beyond, the server stops reading from the peer. */
const MAX_AHEAD_BYTES = 64 * 1024;
/** Larger bodies are written after the head instead of being copied into it. */
const MAX_COPIED_BYTES = 64 * 1024;

const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");
const CONTENT_LENGTH = Buffer.from("Content-Length: ");
const LINE_END = Buffer.from("\r\n");
const CLOSE = Buffer.from("Connection: close\r\n");
const KEEP_ALIVE = Buffer.from("Connection: keep-alive\r\n");
const JSON_TYPE = [["Content-Type", "application/json"]] as const;

/** One connection of a server: it reads and answers requests in order, one at a time. */
export class ServerConnection {
  readonly body = new BodyReader();
  readonly #head = new RequestHead();
  readonly #exchange = new Exchange(this, this.#head);
  readonly #input = new Input();
  readonly #output: Output;
  readonly #context: ServerContext;
  readonly #socket: Socket<ServerConnection>;
  #state: State = "idle";
  /** When the state was entered, or when the peer last accepted bytes. */
  #sinceTick: number;
  #closesAfter = false;
  #hasUnreadBody = false;
  #isBodiless = false;
  /** The peer has ended its side, but may still read. */
  #isHalfClosed = false;
  #isAdvancing = false;
  #isPaused = false;
  /** There will be no answer. */
  #isMute = false;
  #peer: Peer | null = null;

  constructor(context: ServerContext, socket: Socket<ServerConnection>) {
    this.#context = context;
    this.#socket = socket;
    this.#output = new Output(socket);
    this.#sinceTick = context.sweeper.tick;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get peer(): Peer | null {
    if (this.#peer === null && this.#state !== "closed") {
      const { remoteAddress: address, remotePort: port } = this.#socket;
      // A socket that was just reset loses its address before it reports the reset.
      if (address !== undefined) this.#peer = { address, port };
    }
    return this.#peer;
  }

  /** The request that is being answered. */
  get openExchange(): Exchange | null {
    return this.#state === "answering" ? this.#exchange : null;
  }

  receive(chunk: Buffer): void {
    switch (this.#state) {
      case "lingering":
      case "closed":
        return;
      case "answering":
      case "flushing":
        this.#keepForLater(chunk);
        return;
      case "head":
        this.#input.push(chunk);
        // A head is not complete without another line end, so a peer that sends byte by byte does not cause a scan for each.
        if (chunk.includes(LF) || this.#input.size > this.#context.limits.headBytes) this.#advance();
        return;
      default:
        this.#input.push(chunk);
        this.#advance();
    }
  }

  /** The peer accepts bytes again. */
  drain(): void {
    if (this.#output.drain() > 0) this.#sinceTick = this.#context.sweeper.tick;
    if (this.#state === "flushing" && this.#output.isFlushed) this.#endAnswer();
  }

  /** The peer ended its side. */
  endInput(): void {
    this.#isHalfClosed = true;
    if (this.#isMute) this.#socket.end();
    if (this.#state !== "answering" && this.#state !== "flushing") this.#socket.end();
  }

  /** The connection is closed. */
  forget(): void {
    const isAnswering = this.#state === "answering";
    this.#state = "closed";
    this.#output.clear();
    this.#input.clear();
    this.body.clear();
    if (isAnswering) this.#exchange.onGone?.();
  }

  /** Closes the connection unless a request is being read or answered. */
  closeIfIdle(): void {
    if (this.#state === "idle") this.#socket.end();
    else if (this.#isMute) this.#socket.terminate();
  }

  leaveUnanswered(): void {
    this.#isMute = true;
    if (this.#state === "closed") this.#exchange.onGone?.();
    else if (this.#isHalfClosed || this.#context.isStopping) this.#socket.terminate();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** Closes the connection if its state has lasted too long. */
  checkTime(): void {
    const { sweeper, limits } = this.#context;
    const ticks = sweeper.tick - this.#sinceTick;
    switch (this.#state) {
      case "idle":
        if (ticks >= sweeper.ticksOf(limits.idleTimeoutMs)) this.#socket.end();
        return;
      case "head":
        if (ticks >= sweeper.ticksOf(limits.headTimeoutMs)) this.#refuseFor(HEAD_TIMEOUT);
        return;
      case "body":
        if (ticks >= sweeper.ticksOf(limits.bodyTimeoutMs)) this.#refuseFor(BODY_TIMEOUT);
        return;
      case "flushing":
        if (ticks >= sweeper.ticksOf(limits.idleTimeoutMs)) this.#socket.terminate();
        return;
      case "lingering":
        if (ticks >= sweeper.ticksOf(LINGER_MS)) this.#socket.terminate();
        return;
      default:
        return;
    }
  }

  closeAfterAnswer(): void {
    this.#closesAfter = true;
  }

  beginAnswer(head: Uint8Array, status: number): ByteWriter {
    const { out } = this.#context;
    this.#isBodiless = status === 204 || status === 304;
    out.length = 0;
    out.copy(head);
    out.copy(dateLine());
    return out;
  }

  finishAnswer(body: Uint8Array, start: number, end: number): void {
    if (this.#state === "closed") return;
    if (this.#state !== "answering") throw new Error("the request has already been answered");
    const { out } = this.#context;
    if (this.#context.isStopping) this.#closesAfter = true;
    if (!this.#isBodiless) {
      out.copy(CONTENT_LENGTH);
      out.decimal(end - start);
      out.copy(LINE_END);
    }
    if (this.#closesAfter) out.copy(CLOSE);
    else if (this.#head.isOld) out.copy(KEEP_ALIVE);
    out.copy(LINE_END);
    const hasBody = !this.#isBodiless && !this.#head.isHead;
    if (hasBody && end - start > MAX_COPIED_BYTES) {
      this.#output.write(out.bytes, 0, out.length);
      this.#output.write(body, start, end);
    } else {
      if (hasBody) out.copy(body, start, end);
      this.#output.write(out.bytes, 0, out.length);
    }
    this.#endAnswer();
  }

  #advance(): void {
    // An answer that is given immediately returns here from within the loop.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#readRequest()) this.#handle();
    this.#isAdvancing = false;
    if (this.#isHalfClosed && this.#state !== "answering" && this.#state !== "flushing") this.#socket.end();
  }

  /** Whether there is a request to answer. */
  #readRequest(): boolean {
    if (this.#state === "idle" || this.#state === "head") return this.#readHead();
    return this.#state === "body" && this.#readBody();
  }

  #readHead(): boolean {
    const input = this.#input;
    if (input.at === input.end) return false;
    const head = this.#head;
    const next = head.scan(input.bytes, input.at, input.end);
    if (next < 0) return this.#waitForHead(next);
    if (next - input.at > this.#context.limits.headBytes) return this.#refuseFor(HEAD_TOO_LARGE);
    input.at = next;
    this.#closesAfter = !head.keepsAlive;
    if (head.fields.contentLength > 0 || head.fields.isChunked) return this.#beginBody();
    this.body.beginEmpty();
    this.#state = "answering";
    return true;
  }

  #waitForHead(problem: number): boolean {
    if (problem !== INCOMPLETE) return this.#refuseFor(problem);
    if (this.#input.size > this.#context.limits.headBytes) return this.#refuseFor(HEAD_TOO_LARGE);
    if (this.#state === "idle") this.#enter("head");
    return false;
  }

  #beginBody(): boolean {
    const { fields, isOld } = this.#head;
    const { bodyBytes } = this.#context.limits;
    this.#enter("body");
    if (fields.isChunked) this.body.beginChunked(bodyBytes);
    else if (this.body.beginLength(fields.contentLength, bodyBytes) !== 0)
      return this.#refuseFor(BODY_TOO_LARGE);
    if (fields.expectsContinue && !isOld && this.#input.size === 0)
      this.#output.write(CONTINUE, 0, CONTINUE.length);
    return this.#readBody();
  }

  #readBody(): boolean {
    const { body } = this;
    const input = this.#input;
    const next = body.read(input.bytes, input.at, input.end);
    if (next < 0) return this.#refuseFor(next);
    input.at = next;
    if (!body.isDone) return false;
    this.#state = "answering";
    return true;
  }

  #handle(): void {
    this.#exchange.renew();
    try {
      this.#context.handler(this.#exchange);
    } catch {
      if (this.#state === "answering") this.#exchange.answer(FAILURE);
    }
  }

  #endAnswer(): void {
    if (!this.#output.isFlushed) {
      this.#enter("flushing");
      return;
    }
    // The server may have started to stop while the end of the answer waited for its reader.
    if (this.#closesAfter || this.#context.isStopping) {
      this.#closeGently();
      return;
    }
    this.#enter("idle");
    // A connection that waits for its next request does not retain the last one's body.
    if (this.body.end > 0) this.body.clear();
    if (this.#input.size === 0) this.#input.clear();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    if (this.#input.size > 0 || this.#isHalfClosed) this.#advance();
  }

  #closeGently(): void {
    if (this.#isHalfClosed || (!this.#hasUnreadBody && this.#input.size === 0)) {
      this.#state = "closed";
      this.#socket.end();
      return;
    }
    this.#enter("lingering");
    this.#input.clear();
    if (this.#isPaused) this.#socket.resume();
    this.#socket.shutdown();
  }

  /**
   * Rejects a request. It is unknown where the next one would begin, so the connection ends. Always returns false.
   */
  #refuseFor(problem: number): false {
    const { status, text } = problemOf(problem);
    this.#context.rejections.add(problem, this.peer, this.#seenOfRequest());
    this.#state = "answering";
    this.#head.isHead = false;
    this.#closesAfter = true;
    this.#hasUnreadBody = true;
    const body = Buffer.from(`${JSON.stringify({ message: text })}\n`);
    this.beginAnswer(prepareHead(status, JSON_TYPE), status);
    this.finishAnswer(body, 0, body.length);
    return false;
  }

  /** The received bytes of the request: its head, if that was read completely. */
  #seenOfRequest(): Uint8Array {
    const input = this.#input;
    if (this.#state !== "body") return input.bytes.subarray(input.at, input.end);
    return this.#head.fields.bytes.subarray(this.#head.methodStart);
  }

  #keepForLater(chunk: Buffer): void {
    this.#input.push(chunk);
    if (this.#input.size < MAX_AHEAD_BYTES || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #enter(state: State): void {
    this.#state = state;
    this.#sinceTick = this.#context.sweeper.tick;
  }
}
