import { LINK_PROCESS_COMMAND } from "../local/command-name.ts";
import type { CommandEntry } from "./shell/command.ts";

/** Every command, in the order of the help. Each module costs half a millisecond: help loads none of them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "up",
    summary: "Run a chain or a topology on this machine, with load, traces and their page",
    load: async () => (await import("./local/up.ts")).up,
  },
  {
    name: "fault",
    summary: "Make a link of a running 'up' slow, failing or absent, and mend it",
    load: async () => (await import("./local/fault.ts")).fault,
  },
  {
    name: "generate",
    summary: "Write the Kubernetes manifests of a chain or a topology",
    load: async () => (await import("./release/generate.ts")).generate,
  },
  {
    name: "deploy",
    summary: "Install or upgrade a chain or a topology on Kubernetes",
    load: async () => (await import("./release/deploy.ts")).deploy,
  },
  {
    name: "dry-run",
    summary: "Show what deploy would change, field by field",
    load: async () => (await import("./release/dry-run.ts")).dryRun,
  },
  {
    name: "validate",
    summary: "Check that every object of a release is ready, and say why not",
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
    summary: "Apply an earlier revision of a release again",
    load: async () => (await import("./release/rollback.ts")).rollback,
  },
  {
    name: "delete",
    summary: "Remove a release from Kubernetes",
    load: async () => (await import("./release/delete.ts")).deleteRelease,
  },
  {
    name: "page",
    summary: "Show the page of a release, or of any Zipkin, on this machine",
    load: async () => (await import("./traces/page.ts")).page,
  },
  {
    name: "link",
    summary: "Run one link: the service that forwards each request to the next",
    load: async () => (await import("./local/link.ts")).link,
  },
  {
    name: "load",
    summary: "Send requests at a rate, or as fast as they are answered, and measure them",
    load: async () => (await import("./local/load.ts")).load,
  },
  {
    name: "import",
    summary: "Turn a service graph of isotope into a topology document",
    load: async () => (await import("./local/import.ts")).importCommand,
  },
  {
    name: "collector",
    summary: "Take spans as Zipkin and as OpenTelemetry's receiver do, keep and show them",
    load: async () => (await import("./local/collector.ts")).collector,
  },
  {
    name: "verify",
    summary: "Prove that every span of every request arrived, or say which did not",
    load: async () => (await import("./verify/verify.ts")).verify,
  },
  {
    name: "traces",
    summary: "Write the traces of a collector or a Zipkin to a file, or send those of a file",
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
    summary: "Run one link for a parent process that talks to it (used by up --processes)",
    isHidden: true,
    load: async () => (await import("./local/link-process.ts")).linkProcess,
  },
];

/**
 * The commands whose flags have to be known to take a command line apart: one when it stands first, none when there
 * are only flags, otherwise all, as any of them may say which word is a flag's value and which the command.
 */
export function findCandidates(args: readonly string[]): readonly CommandEntry[] {
  const first = COMMANDS.find(({ name }) => name === args[0]);
  if (first !== undefined) return [first];
  return args.every((arg) => arg.startsWith("-")) ? [] : COMMANDS;
}
