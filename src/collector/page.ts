import { buildPageFromSources } from "../lib/page-build.ts";
import { ownValue } from "../lib/record.ts";
import { respondText } from "./response.ts";

type Import = Promise<{ readonly default: string }>;

/**
 * The files of the web page by the path they are served at. The imports are literal so that `bun build --compile`
 * carries the texts, and lazy because most collectors never show their page. `ui/dist` is made by
 * `scripts/build-page.ts`. The cast keeps `tsc` from looking for it; Bun has dropped it before it looks at the path.
 */
const FILES: Readonly<Record<string, () => Import>> = {
  "/": () => import("../../ui/index.html" as string, { with: { type: "text" } }),
  "/icon.svg": () => import("../../ui/icon.svg" as string, { with: { type: "text" } }),
  "/page.css": () => import("../../ui/dist/page.css" as string, { with: { type: "text" } }),
  "/page.js": () => import("../../ui/dist/page.js" as string, { with: { type: "text" } }),
};

const served = new Map<string, Promise<string>>();

/** A file of the web page; undefined when there is none at this path. */
export async function servePage(request: Request, path: string): Promise<Response | undefined> {
  const load = ownValue(FILES, path);
  if (load === undefined) return undefined;
  let text = served.get(path);
  if (text === undefined) {
    text = readFile(load);
    text.catch(() => served.delete(path));
    served.set(path, text);
  }
  const headers = {
    ...preloadTrace(request, path),
    "Content-Type": contentType(path),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
  };
  // A sixth smaller than other answers, for some milliseconds each time that somebody opens the page.
  return respondText(request, await text, headers, 6);
}

/** The browser asks for the trace of the address beside the script, not when that has come and run. */
function preloadTrace(request: Request, path: string): Record<string, string> {
  const traceId = path === "/" ? new URL(request.url).searchParams.get("trace") : null;
  if (traceId === null || !/^[0-9a-f]{1,32}$/i.test(traceId)) return {};
  return { Link: `<api/v2/trace/${traceId}>; rel=preload; as=fetch; crossorigin` };
}

async function readFile(load: () => Import): Promise<string> {
  await buildPageFromSources();
  return (await load()).default;
}

function contentType(path: string): string {
  if (path.endsWith(".js")) return "text/javascript; charset=utf-8";
  if (path.endsWith(".css")) return "text/css; charset=utf-8";
  return path.endsWith(".svg") ? "image/svg+xml" : "text/html; charset=utf-8";
}
