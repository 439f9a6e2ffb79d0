/** The views of the page. The query of the address says which one is shown. */
type PageView = "graph" | "traces" | "trace" | "compare" | "control" | "verify";

export function viewOf(query: URLSearchParams): PageView {
  if (query.get("trace")?.trim()) return "trace";
  if (query.has("compare")) return "compare";
  const view = query.get("view");
  return view === "traces" || view === "control" || view === "verify" ? view : "graph";
}
