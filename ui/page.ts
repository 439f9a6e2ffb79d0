import { showTraceList } from "./trace-list.js";
import { showTrace } from "./trace-view.js";

// The address is the state: `/` lists traces, `/?trace=ID` draws one. Links are plain links, so the
// browser's own history, tabs and bookmarks work.
const parameters = new URLSearchParams(location.search);
const traceId = parameters.get("trace")?.trim();
const main = document.querySelector("main") as HTMLElement;

if (traceId) void showTrace(main, traceId);
else showTraceList(main, parameters);

const find = document.querySelector("#find") as HTMLFormElement;
find.addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = String(new FormData(find).get("trace")).trim();
  if (wanted) location.assign(`/?trace=${encodeURIComponent(wanted)}`);
});
