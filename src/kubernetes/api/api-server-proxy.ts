// https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls
import type { ApiClient } from "./client.ts";
import { readApiError } from "./status.ts";

/** HTTP access to a Service or Pod through the API server, without a port-forward. */
export interface ApiServerProxy {
  /** Base URL. */
  readonly url: string;
  /** A `fetch` for URLs below `url`. */
  readonly fetch: (
    url: string,
    init: { readonly headers?: Record<string, string>; readonly signal: AbortSignal },
  ) => Promise<Response>;
}

/** Statuses with which the API server says that it cannot reach the Service or Pod. They may be transient. */
const PASSING = new Set([429, 502, 503, 504]);
const PATIENCE_MS = 10_000;
const PAUSE_MS = 500;

/**
 * Returns access to one port of a Service or Pod. Throws when the API server itself answers: its 404 must not be mistaken for
 * that of a backend without the trace.
 */
export function proxyTo(
  client: ApiClient,
  namespace: string,
  to: { readonly kind: "services" | "pods"; readonly name: string; readonly port: number },
  patienceMs = PATIENCE_MS,
): ApiServerProxy {
  const base = `/api/v1/namespaces/${namespace}/${to.kind}/${to.name}:${to.port}/proxy`;
  const { server } = client.access;
  return {
    url: server + base,
    async fetch(url, { headers = {}, signal }) {
      const path = url.slice(server.length);
      const accept = headers.Accept ?? "*/*";
      const giveUpMs = performance.now() + patienceMs;
      for (let hasRenewed = false; ; ) {
        const response = await client.raw(path, { accept, signal });
        if (response.ok) return response;
        if (response.status === 401 && !hasRenewed) {
          hasRenewed = true;
          if (await client.access.renew()) continue;
        }
        if (PASSING.has(response.status) && performance.now() < giveUpMs) {
          await Bun.sleep(PAUSE_MS);
          signal.throwIfAborted();
          continue;
        }
        const text = await response.clone().text();
        if (isStatus(text)) throw new Error(readApiError(response.status, text, null, path).message);
        return response;
      }
    },
  };
}

function isStatus(text: string): boolean {
  return text.startsWith("{") && /"kind"\s*:\s*"Status"/.test(text);
}
