import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { CollectorCounts } from "../../src/contract/collector-counts.ts";
import type { Listing } from "../../src/contract/listing.ts";
import type { TraceSummary } from "../../src/contract/trace-summary.ts";
import { formatCount } from "../format.ts";
import { address, linkHere, linkTo, navigate } from "../shell/address.ts";
import { FileButton } from "../shell/file-button.tsx";
import { useKeys } from "../shell/keys.ts";
import { lazy } from "../shell/lazy.tsx";
import { Notice } from "../shell/notice.tsx";
import { type Answer, readJson } from "../shell/request.ts";
import { inOrder, orderOf } from "./order.ts";
import type { ScatterProps } from "./scatter.tsx";
import { DEFAULT_LIMIT, SearchForm } from "./search-form.tsx";
import { openTraceFile, TRACE_FILES, traceFile, traceFileProblem } from "./trace-file.ts";
import { TraceList } from "./trace-list.tsx";
import { wayBack } from "./way-back.ts";

const REFRESH_MS = 2000;
const NO_TRACES: readonly TraceSummary[] = [];
const CRITERIA = [
  "serviceName",
  "spanName",
  "remoteServiceName",
  "annotationQuery",
  "minDuration",
  "maxDuration",
  "lookback",
  "endTs",
  "limit",
];

/**
 * Loaded with the chart library, which the list does not wait for. The placeholder is as high as the chart,
 * so that nothing moves.
 */
const Scatter = lazy<ScatterProps>(() => import("./scatter.tsx").then((it) => it.Scatter), {
  title: "The chart",
  whileLoading: <div class="scatter-box" />,
});

/** The result of a search, refreshed every two seconds unless paused. */
export function TracesView() {
  const query = address.value;
  const [isPaused, setPaused] = useState(false);
  const opened = traceFile.value;
  const [searches, setSearches] = useState(0);
  const answer = useListing(searchOf(query), { isPaused, searches, isOff: opened !== null });
  const last = useRef<Listing | null>(null);
  if (answer?.kind === "ok") last.current = answer.value;
  const listing = opened?.listing ?? last.current;
  const [chosen, setChosen] = useState<readonly string[]>([]);
  useEffect(() => {
    document.title = "Traces · chain-link";
  }, []);
  useEffect(() => {
    wayBack.search = linkHere({});
  }, [query]);
  const isRefused = opened === null && answer?.kind === "problem" && answer.status === 400;
  const found = isRefused ? NO_TRACES : (listing?.traces ?? NO_TRACES);
  const order = orderOf(query);
  const traces = useMemo(() => inOrder(found, order), [found, order]);
  useKeys({
    j: () => moveFocus(traces, 1),
    k: () => moveFocus(traces, -1),
    " ": () => setPaused(!isPaused),
  });
  const choose = (id: string) =>
    setChosen(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id].slice(-2));
  return (
    <section class="traces-page">
      <TitleLine
        status={statusOf(opened, answer, listing)}
        isFile={opened !== null}
        isPaused={isPaused}
        chosen={chosen}
        onPause={() => setPaused(!isPaused)}
      />
      {traceFileProblem.value !== "" && (
        <p class="problem" role="alert">
          {traceFileProblem.value}
        </p>
      )}
      {opened === null && (
        <SearchForm services={listing?.services ?? []} onSearch={() => setSearches(searches + 1)} />
      )}
      {listing === null && answer?.kind === "problem" && (
        <Notice title="No answer from the collector">
          <p>{answer.text} Trying again every 2 seconds.</p>
        </Notice>
      )}
      {listing !== null && traces.length === 0 && (
        <NoTraces isSearch={CRITERIA.some((name) => query.has(name))} />
      )}
      {traces.length > 0 && (
        <>
          <Scatter traces={traces} onChoose={opened === null ? narrow : null} />
          <TraceList
            traces={traces}
            order={order}
            isStale={opened === null && answer?.kind === "problem"}
            chosen={chosen}
            onChoose={choose}
          />
          {opened === null && <ShowMore shown={traces.length} />}
        </>
      )}
    </section>
  );
}

/** Continues from the trace, not from its row: new traces appear above it. */
function moveFocus(traces: readonly TraceSummary[], rows: number): void {
  const links = [...document.querySelectorAll<HTMLElement>("a.trace")];
  const focused = links.indexOf(document.activeElement as HTMLElement);
  const from = focused === -1 ? traces.findIndex(({ traceId }) => traceId === wayBack.traceId) : focused;
  links[Math.max(0, Math.min(links.length - 1, from + rows))]?.focus();
}

interface TitleLineProps {
  readonly status: string;
  /** The traces come from a file, not from the collector. */
  readonly isFile: boolean;
  readonly isPaused: boolean;
  /** Ids of the traces to compare, two at most. */
  readonly chosen: readonly string[];
  readonly onPause: () => void;
}

function TitleLine({ status, isFile, isPaused, chosen, onPause }: TitleLineProps) {
  return (
    <div class="title-line">
      <h1>Traces</h1>
      <span class="status" role="status">
        {status}
      </span>
      <span class="gap" />
      {chosen.length > 0 && (
        <a
          class="chip strong"
          href={linkTo({ compare: `${chosen.join(",")}${chosen.length < 2 ? "," : ""}` })}
        >
          {chosen.length < 2 ? "Choose another to compare" : "Compare the two"}
        </a>
      )}
      {isFile ? (
        <button type="button" class="quiet" onClick={() => (traceFile.value = null)}>
          Close the file
        </button>
      ) : (
        <button type="button" class="quiet" onClick={onPause}>
          {isPaused ? "Resume" : "Pause"}
        </button>
      )}
      <FileButton label="Open a file …" accept={TRACE_FILES} onFile={openTraceFile} />
    </div>
  );
}

function ShowMore({ shown }: { readonly shown: number }) {
  const limit = Number(address.value.get("limit")) || DEFAULT_LIMIT;
  if (shown < limit) return null;
  return (
    <a class="more" href={linkHere({ limit: limit * 4 })}>
      Show more
    </a>
  );
}

function statusOf(
  opened: typeof traceFile.value,
  answer: Answer<Listing> | null,
  listing: Listing | null,
): string {
  if (opened !== null) return `${formatCount(opened.traces.size, "trace")} from the file ${opened.name}`;
  return answer?.kind === "problem" ? answer.text : describeCounts(listing?.counts ?? null);
}

function searchOf(query: URLSearchParams): string {
  const search = new URLSearchParams({ limit: String(DEFAULT_LIMIT) });
  for (const name of CRITERIA) {
    const value = query.get(name);
    if (value) search.set(name, value);
  }
  return search.toString();
}

function narrow(part: { fromMs: number; toMs: number; min: number; max: number }): void {
  const [from, to] = [Math.floor(part.fromMs), Math.ceil(part.toMs)];
  navigate(
    linkHere({
      endTs: to,
      lookback: Math.max(1, to - from),
      minDuration: Math.max(1, Math.floor(part.min)),
      maxDuration: Math.ceil(part.max),
    }),
  );
}

interface ListingOptions {
  /** Reads each search once, without refreshing it. */
  readonly isPaused: boolean;
  /** Changes with each search, also with unchanged criteria. */
  readonly searches: number;
  /** Reads nothing. */
  readonly isOff: boolean;
}

function useListing(search: string, { isPaused, searches, isOff }: ListingOptions): Answer<Listing> | null {
  const [answer, setAnswer] = useState<Answer<Listing> | null>(null);
  const shown = useRef("");
  useEffect(() => {
    const wanted = `${searches} ${search}`;
    if (isOff || (isPaused && shown.current === wanted)) return;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async () => {
      if (!document.hidden || shown.current !== wanted) {
        const next = await readJson<Listing>(`page/traces?${search}`, controller.signal);
        if (controller.signal.aborted) return;
        shown.current = wanted;
        setAnswer(next);
      }
      if (!isPaused) timer = setTimeout(read, REFRESH_MS);
    };
    void read();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [search, searches, isPaused, isOff]);
  return answer;
}

function NoTraces({ isSearch }: { readonly isSearch: boolean }) {
  if (isSearch) {
    return (
      <Notice title="No matching traces">
        <p>The collector has no trace that meets all of these criteria.</p>
        <p>
          <a href={linkTo({ view: "traces" })}>Show the newest traces</a>
        </p>
      </Notice>
    );
  }
  return (
    <Notice title="No traces yet">
      <p>Send a request through the chain, and its trace appears here. Any Zipkin client can report to</p>
      <pre>POST {new URL("api/v2/spans", location.href).href}</pre>
      <p>The list shows traces that started within the last 24 hours.</p>
    </Notice>
  );
}

/** Describes the counts, which only chain-link's own collector reports. */
function describeCounts(counts: CollectorCounts | null): string {
  if (counts === null) return "";
  const { traces, spans, evictedSpans, refusedSpans, sampledOutSpans = 0 } = counts;
  const lost = evictedSpans + refusedSpans;
  return [
    formatCount(traces, "trace"),
    `${formatCount(spans, "span")} held`,
    ...(lost === 0 ? [] : [`${formatCount(lost, "span")} evicted`]),
    ...(sampledOutSpans === 0 ? [] : [`${formatCount(sampledOutSpans, "span")} excluded by the sample rate`]),
  ].join(", ");
}
