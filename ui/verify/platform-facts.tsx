import type { Survey } from "../../src/contract/platform.ts";
import { describeExpected, describeOwnTraces, spansPerCall } from "../../src/contract/platform.ts";
import { formatCount, formatShare } from "../format.ts";

/** The spans that proxies, gateways and agents recorded on calls between links. */
export function PlatformFacts({ platform }: { readonly platform: Survey }) {
  const { rows, ownTraces, expected, tracesRead } = platform;
  const sentences = [...expected.map(describeExpected), ...ownTraces.map(describeOwnTraces)];
  if (rows.length + sentences.length === 0) return null;
  return (
    <section>
      <h2>Platform</h2>
      {rows.length > 0 && (
        <table class="platform">
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">Platform</th>
              <th scope="col">Edge</th>
              <th scope="col">Spans</th>
              <th scope="col">Share of requests</th>
              <th scope="col">Time covered</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.service} ${row.recorder} ${row.edge}`}>
                <th scope="row">{row.service}</th>
                <td>{row.recorder ?? "-"}</td>
                <td>{row.edge}</td>
                <td>{spansPerCall(row)}</td>
                <td>{formatShare(row.requestShare)}</td>
                <td>{row.timeCovered === null ? "-" : formatShare(row.timeCovered)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {sentences.length > 0 && (
        <ul>
          {sentences.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
      <p class="hint">{formatCount(tracesRead, "trace")} read.</p>
    </section>
  );
}
