import { render } from "preact";
import { useState } from "preact/hooks";
import { control, followControl, readTopology, takeToken } from "./control/control-client.ts";
import { ControlView } from "./control/control-view.tsx";
import { GraphView } from "./graph/graph-view.tsx";
import { address, followLinks, linkTo, navigate, viewOf } from "./shell/address.ts";
import { Help } from "./shell/help.tsx";
import { useKeys } from "./shell/keys.ts";
import { followLive } from "./shell/live.ts";
import { nextTheme, theme, watchTheme } from "./shell/theme.ts";
import { CompareView } from "./trace/compare-view.tsx";
import { TraceView } from "./trace/trace-view.tsx";
import { TracesView } from "./traces/traces-view.tsx";
import { VerifyView } from "./verify/verify-view.tsx";

/** What is shown, where that is not this process's own. */
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
    <>
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
        <button type="button" class="quiet" onClick={nextTheme} title="Light, dark, or as the system (d)">
          {theme.value === "auto" ? "Auto" : theme.value === "light" ? "Light" : "Dark"}
        </button>
        <button
          type="button"
          class="quiet keys"
          onClick={() => setHelpOpen(true)}
          aria-label="Keys"
          title="Keys (?)"
        >
          ?
        </button>
      </header>
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

watchTheme();
takeToken();
followLinks();
followLive();
void followControl();
void readTopology();
const root = document.querySelector("#page");
if (root !== null) {
  root.replaceChildren();
  render(<Page />, root);
}
