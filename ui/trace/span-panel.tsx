import type { Endpoint } from "../../src/trace/span.ts";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration } from "../format.ts";
import { linkHere, linkTo } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { shorten } from "../shell/short-name.ts";
import { keyOf, type TraceRow } from "./trace-model.ts";

interface SpanPanelProps {
  readonly row: TraceRow;
  /** Start of the trace, from which times are counted, in microseconds since 1970. */
  readonly traceStart: number;
  readonly traceDuration: number;
  readonly isRoot: boolean;
  readonly onClose: () => void;
}

/** A longer name is shown in full among the fields. */
const TITLE_CHARACTERS = 200;

/** Everything recorded in a span. */
export function SpanPanel({ row, traceStart, traceDuration, isRoot, onClose }: SpanPanelProps) {
  const { span, service } = row;
  const { name = "" } = span;
  const offset = (timestamp: number) => {
    const micros = timestamp + row.shift - traceStart;
    return micros < 0 ? "before" : `+ ${formatDuration(micros)}`;
  };
  const share =
    traceDuration === 0 ? "" : ` · ${((row.duration / traceDuration) * 100).toFixed(1)} % of the trace`;
  const fields: Fields = [
    ["Name", name.length > TITLE_CHARACTERS ? name : undefined],
    ["Kind", span.kind ?? "local"],
    ["Start", span.timestamp === undefined ? undefined : offset(span.timestamp)],
    ["Duration", span.duration === undefined ? undefined : formatDuration(span.duration) + share],
    ["Self time", span.duration === undefined ? undefined : formatDuration(row.selfTime)],
    ["Clock", row.shift === 0 ? undefined : `corrected by ${formatDuration(row.shift)}`],
    ["Critical path", row.isCritical ? "yes: if it were slower, so would be the trace" : "no"],
    ["Span id", span.id],
    [
      "Parent id",
      span.parentId === undefined ? undefined : span.parentId + (row.isOrphan ? " (missing)" : ""),
    ],
    ["Shared", span.shared ? "yes, the server half of the client's span" : undefined],
    ["Below", row.descendants === 0 ? undefined : formatCount(row.descendants, "span")],
    ["Local", describeEndpoint(span.localEndpoint)],
    ["Remote", describeEndpoint(span.remoteEndpoint)],
  ];
  return (
    <aside class={`panel ${colorClass(service)}`} aria-label="Span details">
      <header>
        <i class="swatch" />
        <h2>
          {service} <span class="name">{shorten(name, TITLE_CHARACTERS)}</span>
        </h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close details" title="Close (Esc)">
          <Icon name="close" />
        </button>
      </header>
      {row.isError && (
        <p class="problem">
          <Icon name="error" /> {span.tags?.error || "error"}
        </p>
      )}
      <p class="actions">
        {!isRoot && <a href={linkHere({ root: keyOf(row), range: undefined })}>Show from here</a>}
        <a href={linkTo({ view: "traces", serviceName: service })}>Traces of {service}</a>
      </p>
      <Table title="Span" rows={fields} />
      <Table title="Tags" rows={Object.entries(span.tags ?? {})} />
      <Table
        title="Annotations"
        rows={(span.annotations ?? []).map(({ timestamp, value }) => [offset(timestamp), value] as const)}
      />
    </aside>
  );
}

type Fields = readonly (readonly [string, string | undefined])[];

function Table({ title, rows }: { readonly title: string; readonly rows: Fields }) {
  const given = rows.filter(([, value]) => value !== undefined);
  if (given.length === 0) return null;
  return (
    <table class="fields">
      <caption>{title}</caption>
      <tbody>
        {given.map(([key, value], index) => (
          <tr key={index}>
            <th scope="row">{key}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function describeEndpoint(endpoint: Endpoint | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const address = endpoint.ipv4 ?? (endpoint.ipv6 && `[${endpoint.ipv6}]`) ?? "";
  const place = endpoint.port === undefined ? address : `${address}:${endpoint.port}`;
  return [endpoint.serviceName, place].filter(Boolean).join(" at ");
}
