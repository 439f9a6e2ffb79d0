import assert from "node:assert/strict";

const PATIENCE_MS = 30_000;

/**
 * A connection with one request in flight, on a raw socket, because the sender shares the processors with the server
 * that it measures.
 */
export class BatchSender {
  #socket: Bun.Socket<undefined> | undefined;
  #rest: Uint8Array = Buffer.alloc(0);
  #answer: (text: string) => void = () => {};
  #fail: (error: Error) => void = () => {};

  static async connect(port: number): Promise<BatchSender> {
    const sender = new BatchSender();
    sender.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, data) => sender.#answer(data.toString("latin1")),
        drain: () => sender.#write(),
        close: () => sender.#fail(new Error("the connection was closed")),
      },
    });
    return sender;
  }

  /** Sends a complete request and waits for its answer, which must have no body. */
  async send(request: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let text = "";
    this.#fail = reject;
    this.#answer = (more) => {
      text += more;
      if (text.includes("\r\n\r\n")) resolve();
    };
    this.#rest = request;
    this.#write();
    const timer = setTimeout(
      () => reject(new Error(`no answer after ${PATIENCE_MS} ms: ${text}`)),
      PATIENCE_MS,
    );
    await promise.finally(() => clearTimeout(timer));
    assert.match(text, /^HTTP\/1.1 20[02] /);
  }

  close(): void {
    this.#fail = () => {};
    this.#socket?.end();
  }

  #write(): void {
    const written = this.#socket?.write(this.#rest) ?? 0;
    this.#rest = this.#rest.subarray(written);
  }
}
