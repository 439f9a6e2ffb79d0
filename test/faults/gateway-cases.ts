import { graphOf } from "../helpers/chain.ts";
import { startHeaderProxy } from "../helpers/fault-proxy.ts";
import { type NginxOptions, startNginx } from "../helpers/nginx.ts";
import { missing, repeat } from "./claims.ts";
import { type Comparison, type FaultCase, startDisturbed } from "./fault-case.ts";

const CHAIN = graphOf({ a: { calls: ["b"] }, b: { calls: ["c"] }, c: {} });
const PAIR = graphOf({ a: { calls: ["b"] }, b: {} });
const TIMEOUT_MS = 1500;

/**
 * A real nginx on an edge. A proxy after nginx counts the requests that nginx forwards; nginx answered the others
 * itself.
 * @param reason how verify must explain each request that nginx answered itself
 */
function nginxCase(fault: string, reason: string, directives: string, options: NginxOptions = {}): FaultCase {
  return {
    fault,
    async run(requests): Promise<Comparison> {
      let passed = 0;
      await using counting = startHeaderProxy(
        () => place.chain.link("b").url,
        () => passed++,
      );
      await using nginx = await startNginx(counting.url, directives, options);
      await using place = startDisturbed(CHAIN, (service) => (service === "b" ? nginx.url : null));
      const reported = await place.verify({ requests });
      return { reported, injected: repeat(`a > b ${reason}`, requests - passed) };
    },
  };
}

/** A real nginx that sends each request twice. Spans of the second one are dropped at random. */
async function mirror(requests: number, share: number): Promise<Comparison> {
  const injected: string[] = [];
  await using place = startDisturbed(PAIR, (service) => (service === "b" ? nginx.url : null));
  const b = place.chain.link("b").url;
  await using nginx = await startNginx(b, "mirror /mirror;", {
    server: `location = /mirror { internal; proxy_set_header Host mirrored; proxy_pass ${b}$request_uri; }`,
  });
  place.proxy.edit = (spans) =>
    spans.filter((span) => {
      const isDropped = span.tags?.["server.address"] === "mirrored" && Math.random() < share;
      if (isDropped) injected.push(missing(span));
      return !isDropped;
    });
  return { reported: await place.verify({ requests }), injected };
}

/** A gateway that delays every fifth request for longer than its caller waits. */
async function timeOut(requests: number): Promise<Comparison> {
  let calls = 0;
  let delayed = 0;
  await using gateway = startSlowGateway(
    () => place.chain.link("b").url,
    () => {
      const isDelayed = calls++ % 5 === 0;
      if (isDelayed) delayed++;
      return isDelayed ? TIMEOUT_MS * 1.6 : 0;
    },
  );
  const topology = graphOf({
    a: { calls: [{ service: "b", timeoutMs: TIMEOUT_MS, retries: 3 }] },
    b: { calls: ["c"] },
    c: {},
  });
  await using place = startDisturbed(topology, (service) => (service === "b" ? gateway.url : null));
  const reported = await place.verify({ requests, maxWaitMs: 6000 });
  return { reported, injected: repeat(`a > b timed out after ${TIMEOUT_MS} ms`, delayed) };
}

function startSlowGateway(targetUrl: () => string, delayMs: () => number) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const delay = delayMs();
      const { pathname, search } = new URL(request.url);
      const response = await fetch(targetUrl() + pathname + search, { headers: request.headers });
      const body = await response.arrayBuffer();
      if (delay > 0) await Bun.sleep(delay);
      return new Response(body, { status: response.status, headers: response.headers });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

export const GATEWAY_CASES: readonly FaultCase[] = [
  nginxCase(
    "gateway answers 404 itself",
    "was answered with 404 by something before b",
    'if ($request_id ~ "^[0-3]") { return 404; }',
  ),
  nginxCase(
    "gateway answers 429 itself",
    "was answered with 429 by something before b",
    "limit_req zone=all;",
    {
      http: "limit_req_zone $binary_remote_addr zone=all:1m rate=20r/s; limit_req_status 429;",
    },
  ),
  nginxCase(
    "gateway answers from its cache",
    "was answered with 200 from a cache before b",
    "proxy_cache all; proxy_cache_valid 200 1m; proxy_cache_lock on;",
    { http: "proxy_cache_path {folder}/cache keys_zone=all:1m;" },
  ),
  { fault: "gateway mirrors all requests: nothing is wrong", run: (requests) => mirror(requests, 0) },
  { fault: "spans of mirrored requests dropped", run: (requests) => mirror(requests, 0.3) },
  { fault: "spans of all mirrored requests dropped", run: (requests) => mirror(requests, 1) },
  { fault: "calls that time out and are retried", run: timeOut },
];
