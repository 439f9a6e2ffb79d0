import type { TraceSummary } from "../../src/collector/trace-summary.ts";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration, formatTime } from "../format.ts";
import { linkHere, linkTo } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { ProofMark } from "../trace/proof-mark.tsx";
import type { Order } from "./order.ts";

interface TraceListProps {
  /** In this order. */
  readonly traces: readonly TraceSummary[];
  readonly order: Order;
  /** The collector does not answer any more. */
  readonly isStale: boolean;
  /** Ids of those that are to be compared. */
  readonly chosen: readonly string[];
  readonly onChoose: (traceId: string) => void;
}

/** What was found, each a link, below a head that orders them. */
export function TraceList({ traces, order, isStale, chosen, onChoose }: TraceListProps) {
  const longest = traces.reduce((most, one) => Math.max(most, one.duration), 1);
  return (
    <div
      class={`trace-list${isStale ? " stale" : ""}${traces.some(({ proof }) => proof) ? " with-proof" : ""}`}
    >
      <div class="trace head">
        <OrderLink order="started" title="Started" isIt={order === "started"} />
        <span aria-hidden="true">Request</span>
        <span
          class="whole"
          aria-hidden="true"
          title="Whether all spans arrived of which the answer to the request says that they were recorded"
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
      title={order === "started" ? "The newest first" : "The largest first"}
    >
      {title}
      {isIt && <span aria-hidden="true"> ↓</span>}
    </a>
  );
}

interface TraceItemProps {
  readonly trace: TraceSummary;
  readonly longest: number;
  readonly isChosen: boolean;
  readonly onChoose: (traceId: string) => void;
}

function TraceItem({ trace, longest, isChosen, onChoose }: TraceItemProps) {
  const service = trace.serviceName ?? "unknown service";
  return (
    <li class={isChosen ? "chosen" : ""}>
      <a
        class={`trace ${colorClass(service)}${trace.errorCount > 0 ? " failed" : ""}`}
        href={linkTo({ trace: trace.traceId })}
      >
        <time class="started">{formatTime(trace.timestamp)}</time>
        <span class="request">
          <i class="swatch" />
          <b>{service}</b> <span class="name">{trace.spanName}</span>
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
