import type { ComponentChildren } from "preact";
import type { ResultHead } from "../../src/contract/result-head.ts";
import { formatDuration, formatMoment } from "../format.ts";

interface HeadFactsProps {
  readonly head: ResultHead;
  readonly run?: string;
  /** Whether the run has ended. A run in progress is judged continuously, so its time is not shown. @default true */
  readonly isOver?: boolean;
}

/** What was verified, where and when. */
export function HeadFacts({ head, run, isOver = true }: HeadFactsProps) {
  const { subject, url, backend, startedMs, endedMs, judgedMs } = head;
  return (
    <dl class="occasion">
      {subject !== null && <Fact name="Verified">{subject}</Fact>}
      <Fact name="Requests to">
        <code>{url}</code>
      </Fact>
      <Fact name="Spans read from">{backend}</Fact>
      {run !== undefined && (
        <Fact name="Run">
          <code>{run}</code>
        </Fact>
      )}
      {startedMs > 0 && (
        <Fact name="Began">
          {formatMoment(startedMs)}, for {formatDuration((endedMs - startedMs) * 1000)}
        </Fact>
      )}
      {startedMs > 0 && isOver && <Fact name="Judged">{formatMoment(judgedMs)}</Fact>}
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
