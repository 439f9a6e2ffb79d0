/** Inputs for the HTTP readers: messages as peers send them, damaged at random and cut into random chunks. */
import type { Random } from "../../src/lib/random.ts";

const RESPONSES = [
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-T: v\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nConnection: keep-alive, close\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end",
  "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 503 \r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny",
];

const PROCESSING = "HTTP/1.1 102 Processing\r\n\r\n";
for (const count of [8, 9])
  RESPONSES.push(`${PROCESSING.repeat(count)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`);

const REQUESTS = [
  "GET /forward HTTP/1.1\r\nHost: a\r\nX-Current-Service: chain-link-service-1\r\ntraceparent: 00-1-2-01\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
  "POST /x?y HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3 ;x\r\nabc\r\n0\r\n\r\n",
  "GET http://a/b HTTP/1.0\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost:  b \t\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost:\r\nbaggage: a=b\r\nbaggage: c=d\r\n\r\n",
  "GET http://a-b.c:80?d=e HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
  "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
];

/** Fragments that often break readers. */
const PIECES = [
  ..."\r\n\r\n|\r|\n|\r\n |\r\n\t|:| :|: |\0|\x7f|\x80|\xff| |\t|,|;|0|f|-1|+5|0x5|99999999999999999|4096|4097".split(
    "|",
  ),
  "Content-Length: 3\r\n",
  "Content-Length: 5, 5\r\n",
  "Content-Length:\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Connection: close\r\n",
  "Connection: ,keep-alive ,\r\n",
  "Host: b\r\n",
  "Host: [2001:db8::1]:\r\n",
  "Host: a%20b:70000\r\n",
  "Trailer\r\n",
  "2;\r\n",
  "; a=b\r\n",
  "Transfer-Encoding: chunked, gzip\r\n",
  "http://",
  "@",
  "#",
  "%4a",
  "Expect: 200-ok\r\n",
  "X : y\r\n",
  "0\r\n\r\n",
  "1000\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/2.0",
  "C:\r\n".repeat(257),
  `D: ${"d".repeat(1900)}\r\n`,
  `E: ${"e".repeat(2048)}\r\n`,
  "x".repeat(4090),
];

export function randomResponse(random: Random): string {
  return mutate(RESPONSES[below(random, RESPONSES.length)] ?? "", random);
}

/** Makes one to three requests of one connection. */
export function randomRequests(random: Random): string {
  let text = "";
  for (let i = below(random, 3); i >= 0; i--) text += REQUESTS[below(random, REQUESTS.length)] ?? "";
  return mutate(text, random);
}

function mutate(text: string, random: Random): string {
  let mutated = text;
  for (let i = below(random, 4); i > 0; i--) {
    const at = below(random, mutated.length + 1);
    const to = Math.min(mutated.length, at + below(random, 12));
    switch (below(random, 6)) {
      case 0:
        mutated = mutated.slice(0, at) + mutated.slice(to);
        break;
      case 1:
        mutated = mutated.slice(0, at) + String.fromCharCode(below(random, 256)) + mutated.slice(at + 1);
        break;
      case 2:
        mutated = mutated.slice(0, to) + mutated.slice(at);
        break;
      case 3:
        mutated = mutated.slice(0, at);
        break;
      default: {
        const piece = PIECES[below(random, PIECES.length)] ?? "";
        // Mostly at the start of a line, as a peer would.
        const line = mutated.indexOf("\r\n", at);
        const place = line === -1 || random() < 0.3 ? at : line + 2;
        mutated = mutated.slice(0, place) + piece + mutated.slice(place);
      }
    }
  }
  return mutated;
}

/** Cuts the input into one chunk, single bytes, or something in between. */
export function cut(text: string, random: Random): Buffer[] {
  const longest = [text.length, 1, 3, 40][below(random, 4)] ?? 1;
  const pieces: Buffer[] = [];
  for (let at = 0; at < text.length; ) {
    const size = longest === text.length ? longest : 1 + below(random, longest);
    pieces.push(Buffer.from(text.slice(at, at + size), "latin1"));
    at += size;
  }
  return pieces;
}

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** Mulberry32: returns the same numbers for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
