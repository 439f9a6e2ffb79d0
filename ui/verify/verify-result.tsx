import type { ComponentChildren } from "preact";
import { describeCauses } from "../../src/contract/unknown-causes.ts";
import type { ExampleResult, VerifyResult } from "../../src/contract/verify-result.ts";
import { formatCount } from "../format.ts";
import { Icon, type IconName } from "../shell/icon.tsx";
import { ClassBar, wordsOf } from "./class-bar.tsx";
import { ExportLatency } from "./export-latency.tsx";
import { HeadFacts } from "./head-facts.tsx";
import { hasLossGraph, LossGraph } from "./loss-graph.tsx";
import { PlatformFacts } from "./platform-facts.tsx";
import { TimePicture } from "./time-picture.tsx";

interface VerifyResultProps {
  readonly result: VerifyResult;
  /** Number of requests whose spans may still arrive; absent once the run has ended. */
  readonly waiting?: number;
  /** The address of an example's trace. */
  readonly hrefOf: (example: ExampleResult) => string | null;
}

/** The answer to "did every span arrive?", with everything known about missing spans. */
export function VerifyResultView({ result, waiting, hrefOf }: VerifyResultProps) {
  const { spans } = result;
  const hasGraph = hasLossGraph(result);
  return (
    <article class="verify">
      <Answer result={result} waiting={waiting} />
      <HeadFacts head={result} run={result.run} isOver={waiting === undefined} />
      <ClassBar traces={result.traces} />
      <div class={hasGraph ? "verify-columns" : undefined}>
        {hasGraph && (
          <Section title="By link and call">
            <LossGraph result={result} />
          </Section>
        )}
        <div>
          <Section title="When">
            <TimePicture seconds={result.seconds} />
          </Section>
          {result.exportLatencyMs !== null && (
            <Section title="Export latency">
              <ExportLatency latency={result.exportLatencyMs} />
            </Section>
          )}
          {result.losses.length > 0 && (
            <Section title="Where they went">
              <table class="numbers">
                <tbody>
                  {result.losses.map(({ link, reason, spans: count }) => (
                    <tr key={`${link} ${reason}`}>
                      <th scope="row">{link ?? "of any link"}</th>
                      <td class="text">{reason.replaceAll("_", " ")}</td>
                      <td>{count.toLocaleString("en")}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Section>
          )}
        </div>
      </div>
      {result.platform !== null && <PlatformFacts platform={result.platform} />}
      {result.examples.length > 0 && (
        <Section title="Examples, the worst first">
          <Examples examples={result.examples} hrefOf={hrefOf} />
        </Section>
      )}
      <p class="hint">
        {formatCount(spans.expected, "span")} expected, {spans.missing.toLocaleString("en")} missing,{" "}
        {spans.altered.toLocaleString("en")} altered, {spans.copies.toLocaleString("en")}{" "}
        {spans.copies === 1 ? "copy" : "copies"}, {spans.foreign.toLocaleString("en")} of other services.
      </p>
    </article>
  );
}

const ANSWERS: Readonly<
  Record<VerifyResult["outcome"], readonly [title: string, tone: string, icon: IconName]>
> = {
  complete: ["Complete", "good", "check"],
  "within-allowed-loss": ["Within the allowed loss", "good", "check"],
  incomplete: ["Incomplete", "bad", "error"],
  "could-not-tell": ["Could not tell", "note", "clock"],
};

/** Shown if every span arrived, but the platform did not meet its expectations. */
const UNMET: readonly [title: string, tone: string, icon: IconName] = ["Expectation not met", "bad", "error"];

function Answer({
  result,
  waiting,
}: {
  readonly result: VerifyResult;
  readonly waiting: number | undefined;
}) {
  const isMet = result.platform?.expected.every(({ outcome }) => outcome === "met") ?? true;
  const isPassed = result.outcome === "complete" || result.outcome === "within-allowed-loss";
  const [title, tone, icon] = isPassed && !isMet ? UNMET : ANSWERS[result.outcome];
  const { missing, expected } = result.spans;
  const causes = describeCauses(result.unknownCauses);
  const wrong = result.requests - result.traces.complete - result.traces["not-sampled"];
  const says =
    result.requests === 0
      ? "No request has ended yet."
      : missing > 0
        ? `${formatCount(missing, "span")} of ${expected.toLocaleString("en")} ${missing === 1 ? "is" : "are"} missing, of ${formatCount(result.requests, "request")}.`
        : wrong === 0
          ? `Every span of ${formatCount(result.requests, "request")} arrived: ${expected.toLocaleString("en")} of ${expected.toLocaleString("en")}.`
          : `No span is known to be missing, but ${formatCount(wrong, "trace")} of ${result.requests.toLocaleString("en")} ${wrong === 1 ? "is" : "are"} not proved complete.`;
  return (
    <header class={`answer ${tone}`}>
      <Icon name={icon} />
      <div>
        <h1>
          {title}
          {waiting !== undefined && title === "Complete" ? " so far" : ""}
        </h1>
        <p role="status">
          {says}
          {result.doubt !== null && result.requests > 0 ? ` ${asSentence(result.doubt)}` : ""}
          {causes !== null && causes !== result.doubt ? ` ${asSentence(causes)}` : ""}
          {waiting !== undefined && waiting > 0 ? ` ${formatCount(waiting, "trace")} still coming in.` : ""}
        </p>
      </div>
    </header>
  );
}

function asSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function Section({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Examples({
  examples,
  hrefOf,
}: {
  readonly examples: readonly ExampleResult[];
  readonly hrefOf: VerifyResultProps["hrefOf"];
}) {
  return (
    <ul class="examples">
      {examples.map((example) => {
        const href = hrefOf(example);
        const id = <code>{example.traceId}</code>;
        return (
          <li key={example.traceId}>
            <span class="example-head">
              {href === null ? id : <a href={href}>{id}</a>}
              <span>{wordsOf(example.class)}</span>
              <span class="hint">{example.certainty}</span>
            </span>
            <ul>
              {example.findings.map((finding, index) => (
                <li key={index}>{finding}</li>
              ))}
            </ul>
          </li>
        );
      })}
    </ul>
  );
}
