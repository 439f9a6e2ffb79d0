import { expect, test } from "bun:test";
import { listenError, listenerUrl } from "../../src/lib/listener.ts";

test.each([
  ["0.0.0.0", "http://127.0.0.1:80"],
  ["::", "http://[::1]:80"],
  ["::1", "http://[::1]:80"],
  ["10.0.0.1", "http://10.0.0.1:80"],
  ["localhost", "http://localhost:80"],
])("a listener on %s is reached at %s", (host, url) => {
  expect(listenerUrl(host, 80)).toBe(url);
});

test.each([
  ["EADDRINUSE", "port-busy", "cannot listen on [::1]:80: another process uses the port"],
  ["EACCES", "port-busy", "cannot listen on [::1]:80: permission denied"],
  ["EMFILE", "limit-reached", "too many open files to listen on another port"],
])("a server that cannot listen because of %s fails with %s", (cause, code, message) => {
  const error = listenError("::1", 80, "--serve", Object.assign(new Error(cause), { code: cause }));
  expect([error.code, error.message]).toEqual([code, message]);
  if (code === "port-busy") expect(error.hint).toContain("--serve");
});
