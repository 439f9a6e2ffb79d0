import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { formatCount } from "../format.ts";
import { address, linkHere, navigate } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { type Period, PeriodFields, readPeriod } from "../shell/period.tsx";
import { Drawing } from "./drawing.tsx";
import type { NodeLooks } from "./drawing-props.ts";
import { collapseByPrefix, type Graph, type GraphNode } from "./graph-model.ts";

/** From this many services on, services with the same prefix are grouped by default. */
const GROUPED_FROM = 150;

interface GraphPageProps extends NodeLooks {
  /** The graph before grouping. */
  readonly whole: Graph;
  /** The period shown; `undefined` for the live graph. */
  readonly period: Period | undefined;
  /** A few words beside the tools. */
  readonly totals: ComponentChildren;
  /** Content below the tools. */
  readonly presets?: ComponentChildren;
  readonly banner?: ComponentChildren;
  /** Shown instead of a graph without nodes. */
  readonly empty: ComponentChildren;
  readonly renderPanel: (node: GraphNode, onClose: () => void) => ComponentChildren;
}

/** A graph with search, grouping, a choice of the period, and a panel for the selected node. */
export function GraphPage(props: GraphPageProps) {
  const { whole, period, totals, presets, banner, empty, renderPanel, ...looks } = props;
  const query = address.value;
  const [search, setSearch] = useState("");
  const wanted = query.get("group");
  const isGrouped = wanted === "prefix" || (wanted === null && whole.nodes.length >= GROUPED_FROM);
  const openText = query.get("open") ?? "";
  const open = useMemo(() => new Set(openText.split(",").filter(Boolean)), [openText]);
  const graph = useMemo(() => (isGrouped ? collapseByPrefix(whole, open) : whole), [whole, isGrouped, open]);
  const matches = useMemo(() => findMatches(graph, search), [graph, search]);
  const link = query.get("link");
  const selected = graph.nodes.find(
    ({ id, members }) => id === link || (link !== null && members.includes(link)),
  );
  const select = (id: string | undefined) => navigate(linkHere({ link: id }), "replace");
  useEffect(() => {
    document.title = "chain-link";
  }, []);
  const panelNode =
    selected !== undefined && link !== null && selected.id !== link
      ? { id: link, members: [link] }
      : selected;
  const isEmpty = graph.nodes.length === 0;
  return (
    <section class={`graph-page${selected ? " with-panel" : ""}`}>
      <div class="graph-main">
        <h1 class="sr-only">Services and their calls</h1>
        <div class="bar-of-tools">
          {!isEmpty && <FindField search={search} matches={matches} onInput={setSearch} onFind={select} />}
          <PeriodForm period={period} />
          {matches !== null && <span class="status">{formatCount(matches.size, "link")} found</span>}
          <span class="status totals">{totals}</span>
          <span class="gap" />
          {!isEmpty && (
            <GroupChip isGrouped={isGrouped} shown={graph.nodes.length} all={whole.nodes.length} />
          )}
        </div>
        {presets}
        {isEmpty ? (
          empty
        ) : (
          <Drawing
            graph={graph}
            selectedId={selected?.id}
            matches={matches}
            onSelect={select}
            onOpen={(node) => navigate(linkHere({ open: [...open, node.id].join(","), link: undefined }))}
            {...looks}
          />
        )}
        {banner}
      </div>
      {panelNode !== undefined && renderPanel(panelNode, () => select(undefined))}
    </section>
  );
}

interface FindFieldProps {
  readonly search: string;
  readonly matches: ReadonlySet<string> | null;
  readonly onInput: (search: string) => void;
  /** Receives the first match when Enter is pressed. */
  readonly onFind: (id: string) => void;
}

function FindField({ search, matches, onInput, onFind }: FindFieldProps) {
  return (
    <label class="find">
      <Icon name="search" />
      <input
        type="search"
        id="find"
        placeholder="Find a link"
        aria-label="Find a link"
        value={search}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          const [found] = matches ?? [];
          if (event.key === "Enter" && found !== undefined) onFind(found);
        }}
      />
    </label>
  );
}

function GroupChip({ isGrouped, shown, all }: { isGrouped: boolean; shown: number; all: number }) {
  return (
    <a
      class="chip"
      href={linkHere({ group: isGrouped ? "none" : "prefix", link: undefined, open: undefined })}
      aria-current={isGrouped ? "true" : undefined}
    >
      {isGrouped ? `Grouped by prefix: ${shown} of ${all}` : "Group by prefix"}
    </a>
  );
}

function PeriodForm({ period }: { readonly period: Period | undefined }) {
  const apply = (form: HTMLFormElement) => {
    const chosen = readPeriod(new FormData(form));
    navigate(linkHere({ lookback: chosen?.lookback, endTs: chosen?.endTs }));
  };
  return (
    <form
      class="period"
      aria-label="What is shown"
      key={`${period?.lookback} ${period?.endTs}`}
      onSubmit={(event) => {
        event.preventDefault();
        apply(event.currentTarget);
      }}
      onChange={(event) => {
        if (event.target instanceof HTMLSelectElement) apply(event.currentTarget);
      }}
    >
      <PeriodFields period={period} standard="Live" submit="Show" />
    </form>
  );
}

/** Finds the nodes that match the search; `null` without a search. */
function findMatches(graph: Graph, search: string): ReadonlySet<string> | null {
  const wanted = search.trim().toLowerCase();
  if (wanted === "") return null;
  const isMatch = ({ id, members }: GraphNode) =>
    [id, ...members].some((name) => name.toLowerCase().includes(wanted));
  return new Set(graph.nodes.filter(isMatch).map(({ id }) => id));
}
