import { ownValue } from "../../src/lib/record.ts";
import { clearFault, control, setFault } from "./control-client.ts";

/** Sets the latency, the error rate and the stop of one link. */
export function FaultForm({ link }: { readonly link: string }) {
  const known = ownValue(control.value?.faults, link);
  const fault = known ?? {};
  const isSet = known !== undefined;
  if (control.value?.gone.includes(link))
    return (
      <section>
        <h3>Its process has ended</h3>
        <p>Run 'chain-link up' again to bring it back.</p>
      </section>
    );
  const numberOf = (event: Event) =>
    Math.max(0, Number((event.currentTarget as HTMLInputElement).value) || 0);
  return (
    <section class="fault-form" aria-label={`Faults of ${link}`}>
      <h3>Faults</h3>
      <label>
        <span>Latency added</span>
        <input
          type="number"
          min="0"
          max="60000"
          step="10"
          value={fault.latencyMs ?? 0}
          onChange={(event) => setFault(link, { ...fault, latencyMs: numberOf(event) })}
        />
        ms
      </label>
      <label>
        <span>Errors</span>
        <input
          type="number"
          min="0"
          max="100"
          step="1"
          value={Math.round((fault.errorRate ?? 0) * 1000) / 10}
          onChange={(event) => setFault(link, { ...fault, errorRate: Math.min(100, numberOf(event)) / 100 })}
        />
        %
      </label>
      <p class="actions">
        <button
          type="button"
          onClick={() => setFault(link, { ...fault, isStopped: fault.isStopped !== true })}
        >
          {fault.isStopped ? "Start" : "Stop"}
        </button>
        <button type="button" class="quiet" disabled={!isSet} onClick={() => clearFault(link)}>
          Clear
        </button>
      </p>
    </section>
  );
}
