import type { ErrorCode } from "../lib/errors.ts";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import type { ExportTarget } from "../link/export.ts";
import type { LinkFault } from "../link/link-fault.ts";
import type { TagSet } from "../link/tags.ts";
import { DEFAULT_TRACER, type TracerSettings } from "../link/tracer-settings.ts";
import type { Topology } from "../topology/model.ts";
import { LINK_PROCESS_COMMAND } from "./command-name.ts";
import { type LocalChainOptions, type LocalLink, portOf, STOP_GRACE_MS } from "./local-link.ts";
import { EMPTY_SNAPSHOT, type LinkSnapshot } from "./snapshot.ts";

/** Messages from the parent to the process of a link. */
export type ParentMessage =
  | {
      readonly kind: "start";
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly topology: Topology;
      readonly target: ExportTarget;
      readonly tracer: TracerSettings;
      readonly tagSet: TagSet;
      readonly version: string;
      readonly seed: string | null;
    }
  /** The URLs of all links; until this arrives, calls fail. */
  | { readonly kind: "urls"; readonly urls: ReadonlyMap<string, string> }
  | { readonly kind: "fault"; readonly fault: LinkFault }
  | { readonly kind: "stop"; readonly graceMs: number };

/** Messages from the process of a link to its parent. */
export type ChildMessage =
  | { readonly kind: "ready"; readonly url: string }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    }
  | { readonly kind: "snapshot"; readonly snapshot: LinkSnapshot }
  | { readonly kind: "line"; readonly line: string };

/** Maximum processes started concurrently; more would only compete for the processors. */
const STARTS_AT_ONCE = 8;

/** Starts each link in a process of its own. They end with this process, however it ends. */
export async function startLinkProcesses(options: LocalChainOptions): Promise<LocalLink[]> {
  const names = [...options.topology.services.keys()];
  const processes: LinkProcess[] = [];
  try {
    for (let from = 0; from < names.length; from += STARTS_AT_ONCE) {
      const group = names.slice(from, from + STARTS_AT_ONCE);
      for (const [offset, name] of group.entries()) {
        processes.push(new LinkProcess(name, portOf(options.basePort, from + offset), options));
      }
      await Promise.all(processes.slice(from).map((process) => process.ready));
    }
  } catch (error) {
    for (const process of processes) process.abandon();
    throw describeStartError(error, names.length);
  }
  const urls = new Map(processes.map((process) => [process.name, process.url] as const));
  for (const process of processes) process.send({ kind: "urls", urls });
  return processes;
}

/** Error codes for too many processes, pipes or memory pages. */
const LIMIT_CODES = ["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"];

function describeStartError(error: unknown, links: number): unknown {
  if (!LIMIT_CODES.includes(errorCode(error) ?? "")) return error;
  const hint = "Raise the limits with 'ulimit', start fewer links, or leave --processes out.";
  return new UserError("limit-reached", `cannot start ${links} processes: ${errorText(error)}`, hint, {
    cause: error,
  });
}

class LinkProcess implements LocalLink {
  readonly ready: Promise<void>;
  url = "";
  isLost = false;
  #snapshot: LinkSnapshot = EMPTY_SNAPSHOT;
  #isStopping = false;
  #isAbandoned = false;
  readonly #child: Bun.Subprocess;

  constructor(
    readonly name: string,
    port: number,
    options: LocalChainOptions,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#child = Bun.spawn([...ownCommand(), LINK_PROCESS_COMMAND], {
      stdio: ["ignore", "ignore", "inherit"],
      serialization: "advanced",
      // Ctrl-C in a terminal signals the whole process group, but only the parent decides when links end.
      detached: true,
      ipc: (message: ChildMessage) => {
        if (message.kind === "ready") {
          this.url = message.url;
          resolve();
        } else if (message.kind === "failed") {
          reject(new UserError(message.code, message.message, message.hint));
        } else if (message.kind === "line") {
          options.write(message.line);
        } else {
          this.#snapshot = message.snapshot;
        }
      },
      onExit: (_child, exitCode, signal) => {
        const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
        reject(new UserError("start-failed", `the process of ${name} ended with ${how} before it was ready`));
        if (this.#isAbandoned || (this.#isStopping && exitCode === 0)) return;
        this.isLost = true;
        options.write(`WARNING  the process of ${name} ended with ${how}`);
      },
    });
    this.send({
      kind: "start",
      name,
      host: options.host,
      port,
      topology: options.topology,
      target: options.target,
      tracer: options.tracer ?? DEFAULT_TRACER,
      tagSet: options.tagSet,
      version: options.version,
      seed: options.seed,
    });
  }

  snapshot(): LinkSnapshot {
    return this.#snapshot;
  }

  async setFault(fault: LinkFault): Promise<void> {
    this.send({ kind: "fault", fault });
  }

  send(message: ParentMessage): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.send(message);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return void (await this.#child.exited);
    this.#isStopping = true;
    this.send({ kind: "stop", graceMs: STOP_GRACE_MS });
    const killTimer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_GRACE_MS + 1000);
    await this.#child.exited;
    clearTimeout(killTimer);
  }

  /** Ends the process immediately, because the start failed. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#child.kill("SIGKILL");
  }
}

/** How this program was started: with `bun FILE`, or as one executable. */
function ownCommand(): string[] {
  const main = Bun.main;
  return main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, ...process.execArgv, main];
}
