import { errorCode, errorText, UserError } from "./errors.ts";

/** The base URL at which this machine reaches a listener: a wildcard address is reached over loopback. */
export function listenerUrl(host: string, port: number): string {
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  return `http://${hostAndPort(host === "::" ? "::1" : host, port)}`;
}

/**
 * The `port-busy` or `limit-reached` error of a server that cannot listen.
 * @param flag the flag that sets the port
 */
export function listenError(host: string, port: number, flag: string, cause: unknown): UserError {
  const code = errorCode(cause);
  if (code === "EMFILE" || code === "ENFILE") {
    const hint = "Raise the limit with 'ulimit -n', or start fewer links.";
    return new UserError("limit-reached", "too many open files to listen on another port", hint, { cause });
  }
  const isBusy = code === "EADDRINUSE";
  const reason = isBusy ? "another process uses the port" : errorText(cause);
  const hint = isBusy
    ? `Stop the process that uses the port, or choose another one; ${flag} 0 chooses a free port.`
    : `Choose an address of this machine and a port that you may use; ${flag} 0 chooses a free port.`;
  return new UserError("port-busy", `cannot listen on ${hostAndPort(host, port)}: ${reason}`, hint, {
    cause,
  });
}

function hostAndPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
