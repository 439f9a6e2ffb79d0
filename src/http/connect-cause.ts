import { dlopen, type Pointer, read } from "bun:ffi";
import { isIP } from "node:net";
import { constants } from "node:os";
import { connectionFailure, type Failure } from "./failure.ts";

/**
 * Asks the kernel why a connection cannot be established. The runtime reports ECONNREFUSED for nearly all failures
 * (https://github.com/oven-sh/bun/pull/37093), even if there is no route, file descriptor or free port. So a failed
 * attempt is repeated with the C library's own `connect`; if that succeeds, its connection is closed immediately. On
 * systems other than Linux, the runtime's error is used.
 */

/** How long to wait for an address that silently drops packets. */
const PATIENCE_MS = 4000;
const MAX_PAUSE_MS = 50;

const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
/** `O_NONBLOCK | O_CLOEXEC` */
const FLAGS = 0o4000 | 0o2000000;

const SYMBOLS = {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  inet_pton: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

type LibC = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

/** Which error counts if a name has several addresses: first local problems, then the error of the host that came closest. */
const ORDER = [
  "EMFILE",
  "ENFILE",
  "EADDRNOTAVAIL",
  "ECONNREFUSED",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
];

let loaded: LibC | null | undefined;

/**
 * Finds out why a connection could not be established.
 * @param error the runtime's error
 * @param host a name or an address
 */
export async function explainConnectError(error: unknown, host: string, port: number): Promise<Failure> {
  const failure = connectionFailure(error);
  const isRefused = failure.reason === "connection_refused";
  if (!isRefused && failure.reason !== "name_not_resolved") return failure;
  loaded ??= loadLibC();
  if (loaded === null) return failure;
  const cause = isRefused ? await findCause(loaded, host, port) : findLocalCause(loaded);
  return cause === null ? failure : connectionFailure(Object.assign(new Error(cause), { code: cause }));
}

/** `null` if the server now accepts connections, or the cause is unknown. */
async function findCause(libc: LibC, host: string, port: number): Promise<string | null> {
  const causes = await Promise.all((await resolve(host)).map((address) => probe(libc, address, port)));
  if (causes.includes(null)) return null;
  return causes.toSorted((a, b) => rankOf(a) - rankOf(b))[0] ?? findLocalCause(libc);
}

/** The resolver does not report a lack of file descriptors, so try to open one. */
function findLocalCause(libc: LibC): string | null {
  const fd = libc.socket(AF_INET, SOCK_STREAM | FLAGS, 0);
  if (fd < 0) return errnoName(libc);
  libc.close(fd);
  return null;
}

async function resolve(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await Bun.dns.lookup(host).catch(() => []);
  return found.map(({ address }) => address);
}

function rankOf(code: string | null): number {
  const rank = ORDER.indexOf(code ?? "");
  return rank === -1 ? ORDER.length : rank;
}

async function probe(libc: LibC, host: string, port: number): Promise<string | null> {
  const address = renderAddress(libc, host, port);
  const fd = libc.socket(host.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM | FLAGS, 0);
  if (fd < 0) return errnoName(libc);
  try {
    const endMs = performance.now() + PATIENCE_MS;
    // Repeating `connect` on a connecting socket returns its progress.
    for (let pauseMs = 1; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
      if (libc.connect(fd, address, address.length) === 0) return null;
      const code = errnoName(libc);
      if (code === "EISCONN") return null;
      if (code !== "EINPROGRESS" && code !== "EALREADY") return code;
      if (performance.now() > endMs) return null;
      await Bun.sleep(pauseMs);
    }
  } finally {
    libc.close(fd);
  }
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function renderAddress(libc: LibC, host: string, port: number): Uint8Array {
  const isV6 = host.includes(":");
  const bytes = new Uint8Array(isV6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port);
  const binary = new Uint8Array(16);
  libc.inet_pton(isV6 ? AF_INET6 : AF_INET, Buffer.from(`${host}\0`), binary);
  if (isV6) bytes.set(binary, 8);
  else bytes.set(binary.subarray(0, 4), 4);
  return bytes;
}

const NAMES = new Map(Object.entries(constants.errno).map(([name, code]) => [code as number, name]));

function errnoName(libc: LibC): string | null {
  return NAMES.get(read.i32(libc.__errno_location() as Pointer, 0)) ?? null;
}

function loadLibC(): LibC | null {
  if (process.platform !== "linux") return null;
  for (const name of LIBRARIES) {
    try {
      return dlopen(name, SYMBOLS).symbols;
    } catch {
      // Try the next name.
    }
  }
  return null;
}
