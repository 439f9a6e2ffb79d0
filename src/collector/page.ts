import { respondText } from "./response.ts";

type Import = Promise<{ readonly default: string }>;

/**
 * The files of the web page by the path they are served at. The imports are literal so that `bun build --compile`
 * carries the texts, and lazy because most collectors never show their page. The cast keeps `tsc` from taking
 * browser code into this program; Bun has dropped it before it looks at the path.
 */
const FILES: Readonly<Record<string, () => Import>> = {
  "/": () => import("../../ui/index.html" as string, { with: { type: "text" } }),
  "/page.css": () => import("../../ui/page.css" as string, { with: { type: "text" } }),
  "/icon.svg": () => import("../../ui/icon.svg" as string, { with: { type: "text" } }),
  "/page.js": () => import("../../ui/page.ts" as string, { with: { type: "text" } }),
  "/dom.js": () => import("../../ui/dom.ts" as string, { with: { type: "text" } }),
  "/format.js": () => import("../../ui/format.ts" as string, { with: { type: "text" } }),
  "/span-tree.js": () => import("../../ui/span-tree.ts" as string, { with: { type: "text" } }),
  "/span-details.js": () => import("../../ui/span-details.ts" as string, { with: { type: "text" } }),
  "/trace-list.js": () => import("../../ui/trace-list.ts" as string, { with: { type: "text" } }),
  "/trace-view.js": () => import("../../ui/trace-view.ts" as string, { with: { type: "text" } }),
  "/waterfall.js": () => import("../../ui/waterfall.ts" as string, { with: { type: "text" } }),
};

/** Span contents come from anyone who can reach the port: the page may run and load nothing but these files. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const served = new Map<string, string>();

/** A file of the web page; undefined when there is none at this path. */
export async function servePage(request: Request, path: string): Promise<Response | undefined> {
  const load = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (load === undefined) return undefined;
  let text = served.get(path);
  if (text === undefined) {
    text = prepare(path, (await load()).default);
    served.set(path, text);
  }
  return respondText(request, text, {
    "Content-Type": contentType(path),
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
  });
}

/** Scripts are stored as TypeScript and served as modules, one by one: there are few, and nothing has to bundle. */
function prepare(path: string, text: string): string {
  return path.endsWith(".js") ? new Bun.Transpiler({ loader: "ts" }).transformSync(text) : text;
}

function contentType(path: string): string {
  if (path.endsWith(".js")) return "text/javascript; charset=utf-8";
  if (path.endsWith(".css")) return "text/css; charset=utf-8";
  return path.endsWith(".svg") ? "image/svg+xml" : "text/html; charset=utf-8";
}
