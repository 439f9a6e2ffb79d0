import { LINK_PROCESS_COMMAND } from "../local/command-name.ts";
import type { CommandEntry } from "./shell/command.ts";

/** Every command, in help order. Loading one costs half a millisecond, so help loads none of them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "up",
    summary: "Run a chain or a topology on this machine, with load and a trace page",
    load: async () => (await import("./local/up.ts")).up,
  },
  {
    name: "fault",
    summary: "Make a link of a running 'up' slow, failing or unreachable, and clear faults",
    load: async () => (await import("./local/fault.ts")).fault,
  },
  {
    name: "generate",
    summary: "Write Kubernetes manifests for a chain or a topology",
    load: async () => (await import("./release/generate.ts")).generate,
  },
  {
    name: "deploy",
    summary: "Install or upgrade a chain or a topology on Kubernetes",
    load: async () => (await import("./release/deploy.ts")).deploy,
  },
  {
    name: "dry-run",
    summary: "Show what 'deploy' would change, field by field",
    load: async () => (await import("./release/dry-run.ts")).dryRun,
  },
  {
    name: "validate",
    summary: "Check that every object of a release is ready, and explain what is not",
    load: async () => (await import("./release/validate.ts")).validate,
  },
  {
    name: "status",
    summary: "Show the links of a release",
    load: async () => (await import("./release/status.ts")).status,
  },
  {
    name: "history",
    summary: "List the revisions of a release",
    load: async () => (await import("./release/history.ts")).history,
  },
  {
    name: "rollback",
    summary: "Roll a release back to an earlier revision",
    load: async () => (await import("./release/rollback.ts")).rollback,
  },
  {
    name: "delete",
    summary: "Delete a release from Kubernetes",
    load: async () => (await import("./release/delete.ts")).deleteRelease,
  },
  {
    name: "page",
    summary: "Serve the trace page of a release, or of any Zipkin, on this machine",
    load: async () => (await import("./traces/page.ts")).page,
  },
  {
    name: "link",
    summary: "Run one link: a service that forwards each request to the next",
    load: async () => (await import("./local/link.ts")).link,
  },
  {
    name: "load",
    summary: "Send requests at a rate, or as fast as they are answered, and measure latency",
    load: async () => (await import("./local/load.ts")).load,
  },
  {
    name: "import",
    summary: "Convert an isotope service graph into a topology document",
    load: async () => (await import("./local/import.ts")).importCommand,
  },
  {
    name: "collector",
    summary: "Store spans from Zipkin and OTLP clients, and show them",
    load: async () => (await import("./local/collector.ts")).collector,
  },
  {
    name: "verify",
    summary: "Prove that every span of every request arrived, or list the missing ones",
    load: async () => (await import("./verify/verify.ts")).verify,
  },
  {
    name: "traces",
    summary: "Export traces to a file, or import them from one",
    load: async () => (await import("./traces/traces.ts")).traces,
  },
  {
    name: "completion",
    summary: "Print a completion script for a shell",
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "version",
    summary: "Print the version of chain-link",
    load: async () => (await import("./version.ts")).version,
  },
  {
    name: LINK_PROCESS_COMMAND,
    summary: "Run one link for its parent process (used by 'up --processes')",
    isHidden: true,
    load: async () => (await import("./local/link-process.ts")).linkProcess,
  },
];

/**
 * The commands whose flag tables are needed to parse a command line: one when it comes first, none when there are only
 * flags, otherwise all of them, because any table may decide whether a word is a flag's value or the command.
 */
export function findCandidates(args: readonly string[]): readonly CommandEntry[] {
  const first = COMMANDS.find(({ name }) => name === args[0]);
  if (first !== undefined) return [first];
  return args.every((arg) => arg.startsWith("-")) ? [] : COMMANDS;
}
