import { startCollector } from "../collector/server.ts";
import { errorText } from "../lib/errors.ts";

/** The other end of `startCollectorThread`. */
declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<{ host: string }>) => {
  try {
    self.postMessage({ url: startCollector({ host: data.host, port: 0 }).url });
  } catch (error) {
    self.postMessage({ failure: errorText(error) });
  }
};
