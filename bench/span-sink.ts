/**
 * Receives spans and only counts them, so that the cost of a backend does not hide the cost of a link. It
 * accepts Zipkin JSON and OTLP over HTTP on one port, and OTLP over gRPC on another. `GET /counts` returns the
 * counts; the first part of a path names the sender. It runs as its own process, whose CPU time is not counted.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";

export interface SinkCounts {
  readonly requests: number;
  readonly bytes: number;
  /** Spans of Zipkin JSON; other formats count only bytes. */
  readonly spans: number;
}

export interface SpanSink {
  readonly url: string;
  readonly grpcPort: number;
  counts(sender: string): Promise<SinkCounts>;
  stop(): Promise<void>;
}

const NONE: SinkCounts = { requests: 0, bytes: 0, spans: 0 };
const TRACE_ID = Buffer.from('"traceId":');

if (import.meta.main) {
  const counts = new Map<string, SinkCounts>();
  const note = (sender: string, bytes: number, spans: number) => {
    const before = counts.get(sender) ?? NONE;
    counts.set(sender, {
      requests: before.requests + 1,
      bytes: before.bytes + bytes,
      spans: before.spans + spans,
    });
  };
  const http = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const [, sender = ""] = new URL(request.url).pathname.split("/");
      if (request.method === "GET") return Response.json(Object.fromEntries(counts));
      const body = Buffer.from(await request.arrayBuffer());
      note(sender, body.length, countSpans(body));
      return new Response(null, { status: 202 });
    },
  });
  const grpc = createServer();
  grpc.on("stream", (stream: ServerHttp2Stream) => {
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on("end", () => {
      note("grpc", bytes, 0);
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      // An empty ExportTraceServiceResponse in a gRPC frame.
      stream.end(Buffer.alloc(5));
    });
  });
  grpc.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ port: http.port, grpcPort: (grpc.address() as { port: number }).port }));
  });
}

export async function startSpanSink(): Promise<SpanSink> {
  const child = Bun.spawn([process.execPath, import.meta.path], { stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  const { port, grpcPort } = JSON.parse(new TextDecoder().decode(value));
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    grpcPort,
    async counts(sender) {
      const all = (await (await fetch(`${url}/counts`)).json()) as Record<string, SinkCounts>;
      return all[sender] ?? NONE;
    },
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

function countSpans(body: Buffer): number {
  let spans = 0;
  for (let at = body.indexOf(TRACE_ID); at !== -1; at = body.indexOf(TRACE_ID, at + TRACE_ID.length)) spans++;
  return spans;
}
