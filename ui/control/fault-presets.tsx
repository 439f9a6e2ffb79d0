import type { LinkFaultJson } from "../../src/contract/control.ts";
import { ownValue } from "../../src/lib/record.ts";
import { formatClock, formatShare } from "../format.ts";
import { clearFaults, control, controlProblem, setBackend, setFault } from "./control-client.ts";

/**
 * Presets of faults. They act on the link in the middle, so that the effect on callers and callees is
 * visible.
 */
export function FaultPresets() {
  const state = control.value;
  if (state === null) return null;
  const { services } = state;
  const middle = services[Math.floor(services.length / 2)] ?? "";
  const last = services.at(-1) ?? "";
  // Faults that are already set stay.
  const add = (link: string, fault: LinkFaultJson) =>
    setFault(link, { ...ownValue(state.faults, link), ...fault });
  const count = Object.keys(state.faults).length;
  return (
    <section class="presets" aria-label="Break something">
      <span class="presets-title">Break</span>
      {services.length > 0 && (
        <>
          <button
            type="button"
            title={`${middle} responds 200 ms slower`}
            onClick={() => add(middle, { latencyMs: 200 })}
          >
            One slow link
          </button>
          <button
            type="button"
            title={`${middle} answers 10 % of its requests with 500`}
            onClick={() => add(middle, { errorRate: 0.1 })}
          >
            {formatShare(0.1)} errors in the middle
          </button>
          <button
            type="button"
            title={`${last} stops listening`}
            onClick={() => add(last, { isStopped: true })}
          >
            Kill a link
          </button>
        </>
      )}
      <button
        type="button"
        title="The collector rejects spans for 10 seconds; links queue them and send them later"
        aria-pressed={state.backend.isDown}
        onClick={() => setBackend({ isDown: true, forMs: 10_000 })}
      >
        Backend down 10 s
      </button>
      {services.length > 0 && (
        <button
          type="button"
          class="quiet"
          disabled={count === 0 && !state.backend.isDown}
          onClick={() => clearFaults()}
        >
          Clear all{count > 0 ? ` (${count})` : ""}
        </button>
      )}
      <span class="bad" role="status">
        {state.backend.isDown &&
          `backend is down${state.backend.until === null ? "" : ` until ${formatClock(state.backend.until)}`}`}{" "}
        {controlProblem.value}
      </span>
    </section>
  );
}
