import type { LiveRecorder } from "./live-recorder.ts";

const SECOND_MS = 1000;

/** Maximum bytes queued for a listener that does not read, before it is disconnected: the history and a few seconds. */
const MAX_WAITING = 32 * 1024 * 1024;

/** https://html.spec.whatwg.org/multipage/server-sent-events.html: `history`, then a `second` each second. */
export function respondLive(recorder: LiveRecorder): Response {
  const encoder = new TextEncoder();
  let end = () => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (event: string, data: string) => {
          if ((controller.desiredSize ?? 0) < -MAX_WAITING) {
            end();
            controller.close();
            return;
          }
          controller.enqueue(encoder.encode(`event: ${event}\ndata: ${data}\n\n`));
        };
        send("history", `[${recorder.history().join(",")}]`);
        const unlisten = recorder.listen((json) => send("second", json));
        const timer = setInterval(() => recorder.tick(), SECOND_MS);
        timer.unref();
        end = () => {
          unlisten();
          clearInterval(timer);
        };
      },
      cancel: () => end(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
  );
  return new Response(body, {
    headers: { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store" },
  });
}
