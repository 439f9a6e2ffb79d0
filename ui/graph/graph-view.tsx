import { address } from "../shell/address.ts";
import { periodOf } from "../shell/period.tsx";
import { LiveGraph } from "./live-graph.tsx";
import { PastGraph } from "./past-graph.tsx";

export function GraphView() {
  const period = periodOf(address.value);
  return period === undefined ? <LiveGraph /> : <PastGraph period={period} />;
}
