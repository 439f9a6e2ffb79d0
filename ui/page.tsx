import { render } from "preact";
import { useState } from "preact/hooks";
import { viewOf } from "../src/contract/page-view.ts";
import { control, followControl, readTopology, takeToken } from "./control/control-client.ts";
import { address, followLinks, linkTo, navigate } from "./shell/address.ts";
import { Help } from "./shell/help.tsx";
import { useKeys } from "./shell/keys.ts";
import { lazy } from "./shell/lazy.tsx";
import { followLive } from "./shell/live.ts";
import { nextTheme, theme, watchTheme } from "./shell/theme.ts";
import { CompareView } from "./trace/compare-view.tsx";
import { TraceView } from "./trace/trace-view.tsx";
import { TracesView } from "./traces/traces-view.tsx";

// Views that a trace does not need are separate files: charts and the graph layout are half of the page's
// script. The server tells the browser to load the file of the requested view together with the page. It
// finds that file by the name used here.
const GraphView = lazy(() => import("./graph/graph-view.tsx").then((it) => it.GraphView), {
  title: "The graph",
});
const VerifyView = lazy(() => import("./verify/verify-view.tsx").then((it) => it.VerifyView), {
  title: "This view",
});
const ControlView = lazy(() => import("./control/control-view.tsx").then((it) => it.ControlView), {
  title: "This view",
});

/** Describes the data when it does not come from this process. */
const ABOUT = document.querySelector<HTMLMetaElement>('meta[name="about"]')?.content ?? "";

function Page() {
  const query = address.value;
  const view = viewOf(query);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useKeys({
    "?": () => setHelpOpen(true),
    g: () => navigate("./"),
    s: () => navigate(linkTo({ view: "traces" })),
    v: () => navigate(linkTo({ view: "verify" })),
    l: () => control.value !== null && navigate(linkTo({ view: "control" })),
    d: nextTheme,
    "/": () => document.querySelector<HTMLElement>("#find, #trace-id")?.focus(),
  });
  return (
    <>
      <Header view={view} onHelp={() => setHelpOpen(true)} />
      {ABOUT !== "" && <p class="about">{ABOUT}</p>}
      <main id="main" class={`view-${view}`}>
        {view === "graph" && <GraphView />}
        {view === "traces" && <TracesView />}
        {view === "trace" && <TraceView traceId={(query.get("trace") ?? "").trim()} />}
        {view === "compare" && <CompareView ids={query.get("compare") ?? ""} />}
        {view === "verify" && <VerifyView />}
        {view === "control" && <ControlView />}
      </main>
      <Help isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
    </>
  );
}

interface HeaderProps {
  readonly view: string;
  readonly onHelp: () => void;
}

function Header({ view, onHelp }: HeaderProps) {
  const tab = (name: string, href: string, title: string) => (
    <a
      href={href}
      aria-current={
        name === view || (name === "traces" && (view === "trace" || view === "compare")) ? "page" : undefined
      }
    >
      {title}
    </a>
  );
  return (
    <header class="top">
      <a class="brand" href="./">
        <img src="icon.svg" alt="" width="24" height="24" />
        chain-link
      </a>
      <nav aria-label="Views">
        {tab("graph", "./", "Graph")}
        {tab("traces", linkTo({ view: "traces" }), "Traces")}
        {tab("verify", linkTo({ view: "verify" }), "Verify")}
        {control.value !== null && tab("control", linkTo({ view: "control" }), "Load & faults")}
      </nav>
      <span class="gap" />
      <OpenTrace />
      <button type="button" class="quiet" onClick={nextTheme} title="Light, dark or system theme (d)">
        {theme.value === "auto" ? "Auto" : theme.value === "light" ? "Light" : "Dark"}
      </button>
      <button type="button" class="quiet keys" onClick={onHelp} aria-label="Keys" title="Keys (?)">
        ?
      </button>
    </header>
  );
}

function OpenTrace() {
  return (
    <form
      class="open-trace"
      onSubmit={(event) => {
        event.preventDefault();
        const wanted = String(new FormData(event.currentTarget).get("trace")).trim();
        if (wanted) navigate(linkTo({ trace: wanted }));
      }}
    >
      <input
        id="trace-id"
        name="trace"
        type="search"
        placeholder="Trace id"
        aria-label="Trace id"
        autocomplete="off"
        spellcheck={false}
      />
    </form>
  );
}

watchTheme();
takeToken();
followLinks();
const root = document.querySelector("#page");
if (root !== null) {
  root.replaceChildren();
  render(<Page />, root);
}
// After the first frame, so that the requests of the view itself go first.
requestAnimationFrame(() =>
  setTimeout(() => {
    followLive();
    void followControl();
    void readTopology();
  }),
);
