import { useMemo, useRef } from "preact/hooks";
import type { TraceSummary } from "../../src/contract/trace-summary.ts";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration, formatTime } from "../format.ts";
import { linkHere, linkTo } from "../shell/address.ts";
import { CutText } from "../shell/cut-text.tsx";
import { fitNames, fontOf, textWidth } from "../shell/fit-text.ts";
import { Icon } from "../shell/icon.tsx";
import { type Namer, namerOf, shorten } from "../shell/short-name.ts";
import { useWidth } from "../shell/use-width.ts";
import { ProofMark } from "../trace/proof-mark.tsx";
import type { Order } from "./order.ts";

interface TraceListProps {
  /** Sorted in this order. */
  readonly traces: readonly TraceSummary[];
  readonly order: Order;
  /** The collector no longer answers. */
  readonly isStale: boolean;
  /** Ids of the traces to compare. */
  readonly chosen: readonly string[];
  readonly onChoose: (traceId: string) => void;
}

/** The list of traces found, each a link, below a head that changes the order. */
export function TraceList({ traces, order, isStale, chosen, onChoose }: TraceListProps) {
  const longest = traces.reduce((most, one) => Math.max(most, one.duration), 1);
  const box = useRef<HTMLDivElement>(null);
  const hasProof = traces.some(({ proof }) => proof);
  const widthPx = useWidth(box, "li .request", hasProof);
  const namer = useMemo(
    () => namerOf([...new Set(traces.flatMap(({ serviceName }) => serviceName ?? []))]),
    [traces],
  );
  return (
    <div ref={box} class={`trace-list${isStale ? " stale" : ""}${hasProof ? " with-proof" : ""}`}>
      <div class="trace head">
        <OrderLink order="started" title="Started" isIt={order === "started"} />
        <span aria-hidden="true">Request</span>
        <span
          class="whole"
          aria-hidden="true"
          title="Whether every span recorded for this request has arrived"
        >
          By the ledger
        </span>
        <OrderLink order="duration" title="Duration" isIt={order === "duration"} />
        <span class="spans">
          <OrderLink order="spans" title="Spans" isIt={order === "spans"} />
        </span>
        <span class="services">
          <OrderLink order="services" title="Services" isIt={order === "services"} />
        </span>
      </div>
      <ol>
        {traces.map((trace) => (
          <TraceItem
            key={trace.traceId}
            trace={trace}
            longest={longest}
            widthPx={widthPx}
            namer={namer}
            isChosen={chosen.includes(trace.traceId)}
            onChoose={onChoose}
          />
        ))}
      </ol>
    </div>
  );
}

interface OrderLinkProps {
  readonly order: Order;
  readonly title: string;
  readonly isIt: boolean;
}

function OrderLink({ order, title, isIt }: OrderLinkProps) {
  return (
    <a
      href={linkHere({ order: order === "started" ? undefined : order })}
      aria-current={isIt ? "true" : undefined}
      title={order === "started" ? "Newest first" : "Largest first"}
    >
      {title}
      {isIt && <span aria-hidden="true"> ↓</span>}
    </a>
  );
}

/** Text as wide as the icon before a number of errors. */
const ICON_TEXT = "WW";
/** Width of a swatch with the gaps after it and between the names. */
const SWATCH_PX = 18;

interface TraceItemProps {
  readonly trace: TraceSummary;
  readonly longest: number;
  /** Width of the column with the names. */
  readonly widthPx: number;
  readonly namer: Namer;
  readonly isChosen: boolean;
  readonly onChoose: (traceId: string) => void;
}

function TraceItem({ trace, longest, widthPx, namer, isChosen, onChoose }: TraceItemProps) {
  const service = trace.serviceName ?? "unknown service";
  const name = trace.spanName ?? "";
  const marks = [
    trace.errorCount > 0 && `${ICON_TEXT}${formatCount(trace.errorCount, "error")}`,
    trace.isRootMissing && "root missing",
  ].reduce((px, text) => (text ? px + 20 + textWidth(text, fontOf(12)) : px), 0);
  const shown = fitNames(service, name, widthPx - SWATCH_PX - marks, namer, 14);
  return (
    <li class={isChosen ? "chosen" : ""}>
      <a
        class={`trace ${colorClass(service)}${trace.errorCount > 0 ? " failed" : ""}`}
        href={linkTo({ trace: trace.traceId })}
      >
        <time class="started">{formatTime(trace.timestamp)}</time>
        <span class="request" title={`${service} ${shorten(name, 500)}`}>
          <i class="swatch" />
          <b>
            <CutText text={service} shown={shown.service} />
          </b>{" "}
          <span class="name">
            <CutText text={name} shown={shown.name} />
          </span>
          {trace.isRootMissing && <span class="orphan-mark">root missing</span>}
          {trace.errorCount > 0 && (
            <span class="error-mark">
              <Icon name="error" />
              {formatCount(trace.errorCount, "error")}
            </span>
          )}
        </span>
        <span class="whole">{trace.proof && <ProofMark proof={trace.proof} isShort />}</span>
        <span class="duration">
          <span class="meter">
            <i style={{ width: `${(trace.duration / longest) * 100}%` }} />
          </span>
          <span>{formatDuration(trace.duration)}</span>
        </span>
        <span class="spans">
          {trace.spanCount.toLocaleString("en")}
          <span class="noun"> {trace.spanCount === 1 ? "span" : "spans"}</span>
        </span>
        <span class="services">
          {trace.serviceCount.toLocaleString("en")}
          <span class="noun"> {trace.serviceCount === 1 ? "service" : "services"}</span>
        </span>
      </a>
      <input
        type="checkbox"
        checked={isChosen}
        aria-label={`Compare trace ${trace.traceId}`}
        title="Compare"
        onChange={() => onChoose(trace.traceId)}
      />
    </li>
  );
}
