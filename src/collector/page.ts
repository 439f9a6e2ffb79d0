import { viewOf } from "../contract/page-view.ts";
import { buildPageFromSources } from "../lib/page-build.ts";
import { ownValue } from "../lib/record.ts";
import { respondStatic, StaticText } from "./response.ts";

type LoadText = () => Promise<{ readonly default: string }>;

/** What `scripts/build-page.ts` writes into `ui/dist/files.js`. */
interface BuiltFiles {
  /** All files of the page except its icon, by name. */
  readonly files: Readonly<Record<string, LoadText>>;
  /** The files that only this view needs, by view. */
  readonly preloads: Readonly<Record<string, readonly string[]>>;
}

/**
 * The imports are literal, here and in the list, so that `bun build --compile` includes the files. They are lazy
 * because most collectors never show their page. The casts keep `tsc` from looking for build output; Bun drops them
 * before it looks at the path.
 */
const loadFiles = (): Promise<BuiltFiles> => import("../../ui/dist/files.js" as string);
const loadIcon: LoadText = () => import("../../ui/icon.svg" as string, { with: { type: "text" } });

const served = new Map<string, Promise<StaticText>>();

/** Answers with a file of the web page; undefined when the page has no file at this path. */
export async function servePage(request: Request, path: string): Promise<Response | undefined> {
  // Other paths do not wait for the page build.
  if (!/^\/([\w-]+\.(js|css|svg))?$/.test(path)) return undefined;
  await buildPageFromSources();
  const { files, preloads } = await loadFiles();
  const name = path === "/" ? "index.html" : path.slice(1);
  const load = name === "icon.svg" ? loadIcon : ownValue(files, name);
  if (load === undefined) return undefined;
  let text = served.get(name);
  if (text === undefined) {
    // Level 6 makes it a sixth smaller than level 1, and the cost is paid once.
    text = load().then((module) => new StaticText(module.default, 6));
    text.catch(() => served.delete(name));
    served.set(name, text);
  }
  const links = path === "/" ? preloadLinks(new URL(request.url).searchParams, preloads) : [];
  return respondStatic(request, await text, {
    ...(links.length > 0 && { Link: links.join(", ") }),
    "Content-Type": contentType(path),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
  });
}

/** Preload links: the browser fetches what the view needs in parallel with the script, not after it has run. */
function preloadLinks(query: URLSearchParams, preloads: BuiltFiles["preloads"]): string[] {
  const links = (preloads[viewOf(query)] ?? []).map((name) => `<${name}>; rel=modulepreload`);
  const traceId = query.get("trace");
  if (traceId !== null && /^[0-9a-f]{1,32}$/i.test(traceId))
    links.push(`<api/v2/trace/${traceId}>; rel=preload; as=fetch; crossorigin`);
  return links;
}

function contentType(path: string): string {
  if (path.endsWith(".js")) return "text/javascript; charset=utf-8";
  if (path.endsWith(".css")) return "text/css; charset=utf-8";
  return path.endsWith(".svg") ? "image/svg+xml" : "text/html; charset=utf-8";
}
