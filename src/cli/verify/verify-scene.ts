import { formatCount } from "../../lib/count.ts";
import type { Topology } from "../../topology/model.ts";
import { type CountedBackend, instancesOf, type LinkInstance } from "../../verify/backend/counters.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import type { LoadTarget } from "../common/load-target.ts";
import type { Setting } from "../shell/settings.ts";
import { defaultBackend, instancesAt, openReader, reach } from "./verify-backend.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { type JudgedRun, openRun, sendRun } from "./verify-run.ts";

/** Everything that a proof needs, on this machine or in a cluster. */
export interface Scene {
  /** The topology or release, in words; `null` for a URL or an earlier run. */
  readonly subject: string | null;
  /** `undefined` when it is unknown. */
  readonly topology: Topology | undefined;
  readonly reader: TraceReader;
  readonly backend: CountedBackend;
  /** Finds the links whose counters can be read; they may come and go. */
  findInstances(): Promise<readonly LinkInstance[]>;
  /** Starts sending, or opens an earlier run. */
  begin(signal: AbortSignal): Promise<JudgedRun>;
}

/** Opens a target that is reachable by URL from this machine. */
export async function openScene(
  flags: VerifyValues,
  settings: readonly Setting[],
  target: LoadTarget | null,
): Promise<Scene> {
  const backend = flags.backend === null ? defaultBackend(target, flags.zipkin) : reach(flags.backend);
  const links = [...instancesOf(target?.links ?? new Map()), ...instancesAt(flags.links)];
  return {
    subject: subjectOf(target),
    topology: target?.topology,
    reader: await openReader(backend),
    backend,
    findInstances: async () => links,
    begin: async () =>
      target === null ? openRun(flags.run ?? "", flags.since) : sendRun(target, flags, settings),
  };
}

/** Names the topology that was started; `null` when none was. */
export function subjectOf(target: LoadTarget | null): string | null {
  const topology = target?.topology;
  if (topology === undefined) return null;
  return topology.kind === "chain"
    ? `a chain of ${formatCount(topology.services.size, "link")}`
    : `topology ${topology.name}`;
}
