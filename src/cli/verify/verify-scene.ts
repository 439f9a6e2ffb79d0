import { formatCount } from "../../lib/count.ts";
import type { Topology } from "../../topology/model.ts";
import { type CountedBackend, instancesOf, type LinkInstance } from "../../verify/backend/counters.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import type { LoadTarget } from "../common/load-target.ts";
import type { Setting } from "../shell/settings.ts";
import { defaultBackend, instancesAt, openReader, reach } from "./verify-backend.ts";
import type { VerifyValues } from "./verify-flags.ts";
import { type JudgedRun, openRun, sendRun } from "./verify-run.ts";

/** Everything that a proof has to do with, wherever it is. */
export interface Scene {
  /** What was named, in words; `null` for a URL or an earlier run alone. */
  readonly subject: string | null;
  /** `undefined` where it is not known. */
  readonly topology: Topology | undefined;
  readonly reader: TraceReader;
  readonly backend: CountedBackend;
  /** Links whose counters can be asked; they may come and go. */
  findInstances(): Promise<readonly LinkInstance[]>;
  /** Begins to send, or opens an earlier run. */
  begin(signal: AbortSignal): Promise<JudgedRun>;
}

/** What is reached from here by its URL. */
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

/** The topology that was started for it; `null` where none was. */
export function subjectOf(target: LoadTarget | null): string | null {
  const topology = target?.topology;
  if (topology === undefined) return null;
  return topology.kind === "chain"
    ? `a chain of ${formatCount(topology.services.size, "link")}`
    : `topology ${topology.name}`;
}
