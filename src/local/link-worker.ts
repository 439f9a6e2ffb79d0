import { errorText, UserError } from "../lib/errors.ts";
import { randomSource } from "../lib/random.ts";
import { startLink } from "../link/link.ts";
import { rolesOf } from "../link/roles.ts";
import type { ChildMessage, ParentMessage } from "./link-process.ts";
import { commonLinkOptions } from "./local-link.ts";
import { RestartableLink } from "./restartable-link.ts";

const SNAPSHOT_INTERVAL_MS = 1000;
/** Grace period for shutting down after the parent has disappeared. */
const ORPHAN_GRACE_MS = 2000;

/** The other end of `startLinkProcesses`: runs one link until the parent stops it or disappears. */
export async function runLinkWorker(): Promise<void> {
  let link: RestartableLink | null = null;
  const urls = new Map<string, string>();
  const ended = Promise.withResolvers<number>();

  process.on("message", (message: ParentMessage) => {
    if (message.kind === "start") {
      try {
        link = startFrom(message, urls);
        say({ kind: "ready", url: link.url });
      } catch (error) {
        say(describeFailure(error));
        ended.resolve(0);
      }
    } else if (message.kind === "urls") {
      for (const [name, url] of message.urls) urls.set(name, url);
    } else if (message.kind === "fault") {
      link?.setFault(message.fault).catch((error) => sayLine(`ERROR    ${errorText(error)}`));
    } else {
      ended.resolve(message.graceMs);
    }
  });
  process.on("disconnect", () => ended.resolve(ORPHAN_GRACE_MS));
  const timer = setInterval(() => {
    if (link !== null) say({ kind: "snapshot", snapshot: link.snapshot() });
  }, SNAPSHOT_INTERVAL_MS);

  const graceMs = await ended.promise;
  clearInterval(timer);
  const running = link as RestartableLink | null;
  if (running === null) return;
  await running.stop({ drainMs: 0, graceMs });
  say({ kind: "snapshot", snapshot: running.snapshot() });
}

function startFrom(
  message: Extract<ParentMessage, { kind: "start" }>,
  urls: ReadonlyMap<string, string>,
): RestartableLink {
  const roles = rolesOf(message.topology, randomSource(message.seed));
  const start = (port: number) =>
    startLink({
      ...commonLinkOptions({ ...message, write: sayLine }),
      name: message.name,
      host: message.host,
      port,
      portFlag: "--base-port",
      source: { kind: "roles", roles },
      resolve: (service) => urls.get(service),
    });
  return new RestartableLink(start, message.port);
}

function describeFailure(error: unknown): ChildMessage {
  if (error instanceof UserError)
    return { kind: "failed", code: error.code, message: error.message, hint: error.hint };
  return { kind: "failed", code: "start-failed", message: errorText(error), hint: undefined };
}

function sayLine(line: string): void {
  say({ kind: "line", line });
}

function say(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}
