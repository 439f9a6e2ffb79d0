import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ClientTls } from "./credentials.ts";

/**
 * Opens a connection to a host through a proxy. Plain http requests go to an HTTP proxy directly, without a tunnel.
 * @param tls TLS settings of the server, also used for an https proxy, as in Go; `null` for plain http
 */
export async function openTunnel(
  proxy: URL,
  host: string,
  port: number,
  tls: ClientTls | null,
): Promise<Socket> {
  const proxyHost = proxy.hostname.replace(/^\[|\]$/g, "");
  const isSocks = proxy.protocol.startsWith("socks");
  const isSecure = proxy.protocol === "https:";
  const proxyPort = Number(proxy.port) || (isSocks ? 1080 : isSecure ? 443 : 80);
  const { ca, rejectUnauthorized, allowPartialTrustChain } = tls ?? {};
  const trust = {
    ...(isIP(proxyHost) > 0 ? {} : { servername: proxyHost }),
    ...(ca === undefined ? {} : { ca: [ca].flat() }),
    rejectUnauthorized: rejectUnauthorized ?? true,
    allowPartialTrustChain: allowPartialTrustChain ?? false,
  };
  const socket = isSecure
    ? await opened(connectTls({ host: proxyHost, port: proxyPort, ...trust }), "secureConnect")
    : await opened(connectTcp(proxyPort, proxyHost), "connect");
  if (isSocks) await askSocks(socket, proxy, host, port);
  else if (tls !== null) await askConnect(socket, proxy, host, port);
  return socket;
}

/** Resolves when the socket is usable. */
export function opened<S extends Socket>(socket: S, event: "connect" | "secureConnect"): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once(event, () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Returns `Proxy-Authorization` for the user in a proxy's URL. */
export function proxyAuthorization({ username, password }: URL): string | null {
  if (username === "" && password === "") return null;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

/** RFC 9110, section 9.3.6. */
async function askConnect(socket: Socket, proxy: URL, host: string, port: number): Promise<void> {
  const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const authorization = proxyAuthorization(proxy);
  const credentials = authorization === null ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${credentials}\r\n`);
  const head = await read(socket, (bytes) => {
    const end = bytes.indexOf("\r\n\r\n");
    return end === -1 ? null : end + 4;
  });
  const [line = ""] = head.toString("latin1").split("\r\n");
  if (!/^HTTP\/1\.\d 2\d\d/.test(line))
    throw new Error(`the proxy ${proxy.host} refuses the connection: ${line}`);
}

const NO_LOGIN = 0;
const LOGIN = 2;

/** SOCKS 5 (RFC 1928) with a password login (RFC 1929). The proxy resolves names. */
async function askSocks(socket: Socket, proxy: URL, host: string, port: number): Promise<void> {
  const hasUser = proxy.username !== "";
  socket.write(Buffer.from(hasUser ? [5, 2, NO_LOGIN, LOGIN] : [5, 1, NO_LOGIN]));
  const [version, method] = await read(socket, (bytes) => (bytes.length < 2 ? null : 2));
  const refuse = (why: string) => new Error(`the SOCKS proxy ${proxy.host} ${why}`);
  if (version !== 5) throw refuse("does not speak SOCKS 5");
  if (method === LOGIN) {
    const [user, password] = [proxy.username, proxy.password].map((it) =>
      Buffer.from(decodeURIComponent(it)),
    );
    socket.write(Buffer.concat([Buffer.from([1]), withLength(user), withLength(password)]));
    const [, status] = await read(socket, (bytes) => (bytes.length < 2 ? null : 2));
    if (status !== 0) throw refuse("does not accept the user");
  } else if (method !== NO_LOGIN) throw refuse("wants another kind of login");
  const target = Buffer.from([port >> 8, port & 255]);
  const isV4 = isIP(host) === 4;
  const address = isV4
    ? Buffer.from([1, ...host.split(".").map(Number)])
    : Buffer.concat([Buffer.from([3]), withLength(Buffer.from(host))]);
  socket.write(Buffer.concat([Buffer.from([5, 1, 0]), address, target]));
  const answer = await read(socket, socksAnswerLength);
  if (answer[1] !== 0) throw refuse(`cannot connect to ${host}:${port} (code ${answer[1]})`);
}

function withLength(bytes: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function socksAnswerLength(bytes: Buffer): number | null {
  if (bytes.length < 5) return null;
  const addressBytes = { 1: 4, 3: 1 + (bytes[4] ?? 0), 4: 16 }[bytes[3] ?? 0] ?? 4;
  const length = 4 + addressBytes + 2;
  return bytes.length < length ? null : length;
}

/** Reads the next message of a socket, whose length is in its first bytes. */
function read(socket: Socket, lengthOf: (bytes: Buffer) => number | null): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const end = (settle: () => void) => {
      socket.off("data", onData).off("error", reject).off("close", onClose);
      settle();
    };
    const onClose = () => end(() => reject(new Error("the proxy closed the connection")));
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const length = lengthOf(bytes);
      if (length !== null) end(() => resolve(bytes.subarray(0, length)));
    };
    socket.on("data", onData).once("error", reject).once("close", onClose);
  });
}
