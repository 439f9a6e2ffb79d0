import { writeFileSync } from "node:fs";
import { createServer as createTcpServer, connect as dial, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Certificate, Certificates } from "../../helpers/certificates.ts";

/** What reached the servers of a site. */
export interface Seen {
  /** Request line, who asked, and the name that TLS was told. */
  readonly requests: string[];
  /** Proxies that were used, and for what. */
  readonly proxies: string[];
}

const WATCHED = /^(authorization|proxy-authorization|impersonate-)/i;

/**
 * Servers that stand for API servers and proxies on 127.0.0.1, and the texts by which kubeconfigs name them: `$TLS` is a URL,
 * `$CA` base64, `$DIR` a folder with files.
 */
export async function startSite(certificates: Certificates, commonNameOnly: Certificate, folder: string) {
  const { good, selfSigned, expired, otherName, authority } = certificates;
  const seen: Seen = { requests: [], proxies: [] };
  const closers: (() => unknown)[] = [];
  const b64 = (text: string) => Buffer.from(text).toString("base64");

  const answer = (socket: Socket | TLSSocket) => {
    socket.on("error", () => {});
    let rest = "";
    socket.on("data", (chunk) => {
      rest += chunk.toString("latin1");
      const end = rest.indexOf("\r\n\r\n");
      if (end === -1) return;
      const [line = "", ...fields] = rest.slice(0, end).split("\r\n");
      rest = rest.slice(end + 4);
      const identity = fields
        .filter((field) => WATCHED.test(field))
        .map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()));
      const client = "getPeerCertificate" in socket ? socket.getPeerCertificate()?.subject?.CN : undefined;
      seen.requests.push(
        [line, ...identity.sort(), ...(client === undefined ? [] : [`certificate ${client}`])].join(" | "),
      );
      const isHtml = line.includes("/login");
      const body = isHtml ? "<!DOCTYPE html><html><title>Log in</title></html>" : '{"major":"1"}';
      const type = isHtml ? "text/html" : "application/json";
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  };
  const listen = async (server: ReturnType<typeof createTcpServer>): Promise<number> => {
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as { port: number }).port;
  };
  const serveTls = ({ cert, key }: Certificate) =>
    listen(createTlsServer({ cert, key, requestCert: true, rejectUnauthorized: false }, answer));
  const tlsPort = await serveTls(good);
  const plainPort = await listen(createTcpServer(answer));

  /** Any name leads to this site: only the port counts. */
  const forward = (socket: Socket, port: number, first?: Buffer | string) => {
    socket.pause();
    const up = dial(port, "127.0.0.1", () => {
      if (first !== undefined) up.write(first);
      socket.pipe(up).pipe(socket);
    });
    up.on("error", () => socket.destroy());
  };
  const serveConnect = (kind: string) => (socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", (head: Buffer) => {
      const text = head.toString("latin1");
      const [, host, port] = /^CONNECT (.*):(\d+) /.exec(text) ?? [];
      const user = /^Proxy-Authorization: (.*)$/im.exec(text)?.[1]?.trim();
      seen.proxies.push(
        `${kind} ${host === undefined ? "relays" : `to ${host}`}${user === undefined ? "" : ` as ${user}`}`,
      );
      if (host === undefined) return forward(socket, plainPort, head);
      forward(socket, Number(port));
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
    });
  };
  const serveSocks = (socket: Socket) => {
    socket.on("error", () => {});
    let user = "";
    const onHello = (hello: Buffer) => {
      const wantsLogin = hello.subarray(2).includes(2);
      socket.once("data", wantsLogin ? onLogin : onTarget);
      socket.write(Buffer.from([5, wantsLogin ? 2 : 0]));
    };
    const onLogin = (login: Buffer) => {
      user = ` as ${login.subarray(2, 2 + (login[1] ?? 0)).toString()}`;
      socket.once("data", onTarget);
      socket.write(Buffer.from([1, 0]));
    };
    const onTarget = (target: Buffer) => {
      const isName = target[3] === 3;
      const host = isName ? target.subarray(5, -2).toString() : target.subarray(4, 8).join(".");
      seen.proxies.push(`socks to ${host}${user}`);
      forward(socket, target.readUInt16BE(target.length - 2));
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    };
    socket.once("data", onHello);
  };

  const files = {
    "ca.pem": authority,
    "leaf.pem": selfSigned.cert,
    "client.crt": good.cert,
    "client.key": good.key,
    "other.key": otherName.key,
    "token.txt": "file-token\n",
    empty: "",
    "junk.pem": "no certificate",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const url = async (port: Promise<number> | number) => `127.0.0.1:${await port}`;
  const places: Record<string, string> = {
    $TLSPORT: String(tlsPort),
    $PLAINPORT: String(plainPort),
    $BARE: `127.0.0.1:${plainPort}`,
    $JWT: `${b64('{"alg":"none"}')}.${Buffer.from('{"exp":4000000000}').toString("base64url")}.c2ln`,
    $DOUBLE: b64(b64(authority)),
    $WRAPPED: b64(authority).replaceAll(/.{64}/g, "$&\n      "),
    $TLS: `https://${await url(tlsPort)}`,
    $PLAIN: `http://${await url(plainPort)}`,
    $LEAFCA: b64(selfSigned.cert),
    $LEAF: `https://${await url(serveTls(selfSigned))}`,
    $CNCA: b64(commonNameOnly.cert),
    $CN: `https://localhost:${await serveTls(commonNameOnly)}`,
    $OTHER: `https://${await url(serveTls(otherName))}`,
    $EXPIRED: `https://${await url(serveTls(expired))}`,
    $PROXY: await url(listen(createTcpServer(serveConnect("proxy")))),
    $SECUREPROXY: await url(
      listen(createTlsServer({ cert: good.cert, key: good.key }, serveConnect("https proxy"))),
    ),
    $SOCKS: await url(listen(createTcpServer(serveSocks))),
    $CA: b64(authority),
    $CERT: b64(good.cert),
    $KEY: b64(good.key),
    $WRONGKEY: b64(otherName.key),
    $JUNK: b64("no certificate"),
    $DIR: folder,
  };
  return {
    seen,
    /** Texts with their names replaced. */
    fill: (text: string) =>
      text.replaceAll(/\$[A-Z]+/g, (name) => {
        const found = places[name];
        if (found === undefined) throw new Error(`nothing is called ${name}`);
        return found;
      }),
    close: () => {
      for (const close of closers) close();
    },
  };
}
