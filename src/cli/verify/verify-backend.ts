import { ZIPKIN_URL } from "../../lib/default-address.ts";
import { type Endpoint, fetchAs } from "../../lib/endpoint.ts";
import type { CountedBackend, LinkInstance } from "../../verify/backend/counters.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import type { LoadTarget } from "../common/load-target.ts";
import { type Backend, PAGE_ID, type VerifyValues } from "./verify-flags.ts";

/** The backend to read spans from without `--backend`. */
export function defaultBackend(target: LoadTarget | null, zipkin: Endpoint | null): CountedBackend {
  if (target?.collector) return { kind: "collector", url: target.collector };
  return zipkin === null ? { kind: "zipkin", url: ZIPKIN_URL } : reach({ kind: "zipkin", ...zipkin });
}

/** The backend that `--backend` names. */
export function reach({ kind, url, headers }: Backend): CountedBackend {
  return { kind, url, fetch: fetchAs({ headers }) };
}

/** The links that `--links` names; each URL is one process. */
export function instancesAt(links: ReadonlyMap<string, Endpoint>): LinkInstance[] {
  return Array.from(links, ([link, { url, headers }]) => ({
    id: url,
    link,
    url,
    fetch: fetchAs({ headers }),
    isShared: true,
  }));
}

/** Opens a reader for the backend's API. */
export async function openReader({
  kind,
  url,
  fetch = globalThis.fetch,
}: CountedBackend): Promise<TraceReader> {
  if (kind === "jaeger" || kind === "tempo") {
    const { OtlpReader } = await import("../../verify/backend/otlp-reader.ts");
    return new OtlpReader(kind, url, fetch);
  }
  const { ZipkinReader } = await import("../../verify/backend/zipkin-reader.ts");
  return new ZipkinReader(url, kind === "zipkin" ? "Zipkin" : "collector", { fetch });
}

/** Links traces to pages: the backend's own, or those of `--backend-page`. A collector started with `target` stops with it, so it gets no links. */
export function linkPages(
  reader: TraceReader,
  flags: Pick<VerifyValues, "backend" | "backend-page">,
  target: LoadTarget | null,
): TraceReader {
  const page = flags["backend-page"];
  const isShortLived = flags.backend === null && target !== null && target.collector !== null;
  if (page !== null) reader.pageOf = (traceId) => page.replaceAll(PAGE_ID, traceId);
  else if (isShortLived) reader.pageOf = () => null;
  return reader;
}
