import { formatCount, formatDuration, formatTime } from "../format.ts";
import { linkTo } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { shorten } from "../shell/short-name.ts";
import { isFromFile } from "../traces/trace-file.ts";
import { ProofMark } from "./proof-mark.tsx";
import type { Trace } from "./trace-model.ts";
import { useProof } from "./trace-source.ts";

/** Maximum length of the title: two or three lines on a phone. The span panel shows the whole name. */
const TITLE_CHARACTERS = 100;

/** The title of a trace and its facts. */
export function TraceHead({ trace }: { readonly trace: Trace }) {
  const first = trace.rows[0];
  const proof = useProof(trace.traceId);
  const skews = [...trace.skews].map(([service, micros]) => `${service} by ${formatDuration(micros)}`);
  return (
    <header class="trace-head">
      <h1 title={first?.span.name}>
        {first?.service ?? "unknown service"}{" "}
        <span class="name">{shorten(first?.span.name ?? "", TITLE_CHARACTERS)}</span>
      </h1>
      <ul class="facts">
        <li>{trace.start === 0 ? "no timestamps" : formatTime(trace.start)}</li>
        <li>
          <b>{formatDuration(trace.duration)}</b>
        </li>
        <li>{formatCount(trace.rows.length, "span")}</li>
        <li>{formatCount(trace.services.length, "service")}</li>
        <li class={trace.errors > 0 ? "bad" : ""}>{formatCount(trace.errors, "error")}</li>
        {proof !== null && (
          <li>
            <ProofMark proof={proof} />
          </li>
        )}
        {trace.orphans > 0 && (
          <li class="bad">
            {formatCount(trace.orphans, "span")} without the parent they name: spans are missing
          </li>
        )}
        {skews.length > 0 && (
          <li class="note" title={skews.join("\n")}>
            <Icon name="clock" /> clocks corrected: {skews.slice(0, 2).join(", ")}
            {skews.length > 2 ? ` and ${skews.length - 2} more` : ""}
          </li>
        )}
        {proof?.findings.map((finding) => (
          <li class="bad" key={finding}>
            {finding}
          </li>
        ))}
        <li class="id">
          <code>{trace.traceId}</code>
        </li>
        {!isFromFile(trace.traceId) && (
          <li>
            <a href={`api/v2/trace/${trace.traceId}`} download={`${trace.traceId}.json`}>
              JSON
            </a>
          </li>
        )}
        <li>
          <a href={linkTo({ compare: `${trace.traceId},` })}>Compare</a>
        </li>
      </ul>
    </header>
  );
}
