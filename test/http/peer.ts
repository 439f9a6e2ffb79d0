import type { Socket } from "bun";

/** A raw connection to a server: sends given bytes and collects what it receives. */
export class RawCaller {
  text = "";
  isEnded = false;
  #socket: Socket<unknown> | null = null;
  #wake: () => void = () => {};

  static async connect(port: number): Promise<RawCaller> {
    const caller = new RawCaller();
    caller.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      allowHalfOpen: true,
      socket: {
        data(_, chunk) {
          caller.text += chunk.toString("latin1");
          caller.#wake();
        },
        end(socket) {
          caller.isEnded = true;
          socket.end();
          caller.#wake();
        },
        close() {
          caller.isEnded = true;
          caller.#wake();
        },
        error() {},
      },
    });
    return caller;
  }

  /** Returns how many bytes were sent; the others are dropped. */
  send(text: string): number {
    return this.#socket?.write(Buffer.from(text, "latin1")) ?? 0;
  }

  /** Ends only its own side. */
  shutdown(): void {
    this.#socket?.shutdown();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.terminate();
  }

  /** Waits until `isThere` holds, which is checked whenever bytes arrive. */
  async until(isThere: () => boolean): Promise<string> {
    while (!isThere()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return this.text;
  }

  untilEnd(): Promise<string> {
    return this.until(() => this.isEnded);
  }

  untilText(text: string): Promise<string> {
    return this.until(() => this.text.includes(text));
  }
}
