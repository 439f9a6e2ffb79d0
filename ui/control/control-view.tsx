import { formatRate } from "../format.ts";
import { linkTo } from "../shell/address.ts";
import { seconds } from "../shell/live.ts";
import { Notice } from "../shell/notice.tsx";
import { TimeChart } from "../shell/time-chart.tsx";
import { control, controlProblem, hasToken, isAllowed, marks, setRate } from "./control-client.ts";
import { FaultForm } from "./fault-form.tsx";
import { FaultPresets } from "./fault-presets.tsx";

const MAX_RATE = 2000;

/**
 * Controls for the rate and the faults, and their effects: requests, errors and spans of the last minutes,
 * with a mark at each change.
 */
export function ControlView() {
  const state = control.value;
  if (state === null || !isAllowed.value) return <NotAllowed isRunning={state !== null} />;
  const faults = Object.keys(state.faults);
  return (
    <section class="control-page">
      <h1>Load and faults</h1>
      {state.load !== null && <RateForm ratePerSecond={state.load.ratePerSecond} />}
      <FaultPresets />
      <p class="bad" role="status">
        {controlProblem.value}
      </p>
      <ServiceCharts />
      {state.services.length > 0 && <h2>Links with a fault</h2>}
      {faults.length === 0 && state.services.length > 0 && (
        <p class="hint">
          None. Use a preset, or select a link in the <a href={linkTo({})}>graph</a>.
        </p>
      )}
      <div class="fault-list">
        {faults.map((link) => (
          <div key={link} class="card">
            <h3>
              <a href={linkTo({ link })}>{link}</a>
            </h3>
            <FaultForm link={link} />
          </div>
        ))}
      </div>
      <Changes />
    </section>
  );
}

function NotAllowed({ isRunning }: { readonly isRunning: boolean }) {
  return (
    <Notice title="Nothing to control here">
      <p>
        {isRunning
          ? `This page was opened ${hasToken() ? "with the token of another run" : "without the token"}. Open the address that 'chain-link up' printed, with its #token=…`
          : "Load and faults can be changed only in a chain that 'chain-link up' runs. This collector only stores spans."}
      </p>
    </Notice>
  );
}

function RateForm({ ratePerSecond }: { readonly ratePerSecond: number }) {
  return (
    <form class="rate" key={ratePerSecond} onSubmit={(event) => event.preventDefault()}>
      <label>
        Requests a second
        <input
          type="number"
          name="rate"
          min="0.1"
          max={MAX_RATE}
          step="any"
          value={ratePerSecond}
          onChange={(event) => setRate(Number(event.currentTarget.value))}
        />
      </label>
      {[1, 10, 50, 100, 200].map((rate) => (
        <button type="button" key={rate} aria-pressed={ratePerSecond === rate} onClick={() => setRate(rate)}>
          {rate}
        </button>
      ))}
    </form>
  );
}

function Changes() {
  return (
    <>
      {marks.value.length > 0 && <h2>Changes</h2>}
      <ol class="plain-list marks">
        {[...marks.value].reverse().map((mark) => (
          <li key={`${mark.time} ${mark.text}`}>
            <time>{new Date(mark.time).toTimeString().slice(0, 8)}</time> {mark.text}
          </li>
        ))}
      </ol>
    </>
  );
}

function ServiceCharts() {
  const all = seconds.value;
  const times = all.map((second) => second.time / 1000);
  const sum = (of: "requests" | "errors") =>
    all.map((second) => second.services.reduce((total, service) => total + service[of], 0));
  return (
    <div class="chart-row">
      <TimeChart
        title="Requests of all links"
        times={times}
        format={formatRate}
        lines={[
          { title: "all", color: "--series-1", values: sum("requests") },
          { title: "errors", color: "--error", dash: [4, 3], values: sum("errors") },
        ]}
      />
      <TimeChart
        title="Spans stored"
        times={times}
        format={formatRate}
        lines={[
          { title: "accepted", color: "--series-1", values: all.map((second) => second.spans.accepted) },
          {
            title: "dropped",
            color: "--error",
            dash: [4, 3],
            values: all.map((second) => second.spans.dropped),
          },
        ]}
      />
    </div>
  );
}
