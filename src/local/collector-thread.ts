import { errorText, UserError } from "../lib/errors.ts";

/** A collector in a thread of its own, so that its work does not delay measurements in this one. */
export interface CollectorThread {
  readonly url: string;
  stop(): void;
}

/** @throws {UserError} `start-failed` */
export async function startCollectorThread(host: string): Promise<CollectorThread> {
  const worker = new Worker(new URL("./collector-worker.ts", import.meta.url).href);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  worker.onmessage = ({ data }: MessageEvent<{ url: string } | { failure: string }>) => {
    if ("url" in data) resolve(data.url);
    else reject(new UserError("start-failed", `the collector did not start: ${data.failure}`));
  };
  worker.onerror = (event) => {
    reject(new UserError("start-failed", `the collector did not start: ${errorText(event.message)}`));
  };
  worker.postMessage({ host });
  try {
    const url = await promise;
    // The worker does not keep the process alive.
    worker.unref();
    return { url, stop: () => worker.terminate() };
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
