import type { RemotePageOptions } from "../../collector/remote-page.ts";
import { apiUrl, fetchAs } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { CLUSTER_FLAGS } from "../common/cluster-flags.ts";
import { tellExposure } from "../common/collector-flags.ts";
import { RELEASE_FLAGS } from "../common/release-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { integerFlag, type KindOfServer, kindUrlFlag, switchFlag, textFlag } from "../shell/flags.ts";
import { CONFIG_FILE_FLAG } from "../shell/global-flags.ts";
import { watchInterrupts } from "../shell/interrupt.ts";
import { openBrowser } from "../shell/open-browser.ts";
import type { Output } from "../shell/output.ts";
import { describeSource } from "./page-source.ts";

type Source = Pick<RemotePageOptions, "backend" | "topology" | "about">;

/** Flags that find a release; they have no effect with `--backend`. */
const RELEASE_ONLY = ["namespace", ...Object.keys(CLUSTER_FLAGS), ...Object.keys(CONFIG_FILE_FLAG)];

const KINDS = ["zipkin", "collector"] as const;

export const page = defineCommand({
  examples: [
    { line: "chain-link page -n shop", says: "show a release's traces, through the API server" },
    {
      line: "chain-link page --backend zipkin=http://localhost:9411 --port 0",
      says: "show the traces of an existing Zipkin",
    },
  ],
  configFile: "reads",
  idleFlags: ({ isSet }) => (isSet("backend") ? RELEASE_ONLY : []),
  flags: {
    backend: kindUrlFlag(KINDS, {
      summary: "Backend to read traces from, instead of a release's.",
      fallbackText: "the release's",
    }),
    host: textFlag("127.0.0.1", { summary: "Address to listen on.", placeholder: "ADDRESS" }),
    port: integerFlag(
      9410,
      { min: 0, max: 65_535 },
      { summary: "Port of the page; 0 picks a free port.", placeholder: "PORT", env: [] },
    ),
    open: switchFlag({ summary: "Open the page in a browser." }),
    namespace: RELEASE_FLAGS.namespace,
    ...CLUSTER_FLAGS,
    ...CONFIG_FILE_FLAG,
  },
  async run({ flags, settings, output }) {
    const extra = settings.find(({ name, origin }) => RELEASE_ONLY.includes(name) && origin === `--${name}`);
    if (flags.backend !== null && extra !== undefined)
      throw new UserError("usage", `${extra.origin} is for a release, but --backend was given`);
    const interruption = watchInterrupts(() => output.print("\n"));
    const source =
      flags.backend === null
        ? await (await import("./page-release.ts")).openReleasePage(flags, output)
        : ofBackend(flags.backend);
    const { startRemotePage } = await import("../../collector/remote-page.ts");
    const running = startRemotePage({ ...source, host: flags.host, port: flags.port });
    output.info(`${running.url}/`);
    tellExposure(flags.host, "read what the page shows", output);
    output.detail(source.about);
    void warnOfSilence(source.backend, output);
    if (flags.open) openBrowser(`${running.url}/`);
    const signal = await interruption.signal;
    await running.stop();
    return signal === "SIGINT" ? EXIT.interrupted : EXIT.done;
  },
});

/** Warns at once about an unreachable backend, not only when somebody opens the page. It may still come up. */
async function warnOfSilence({ kind, url, fetch }: Source["backend"], output: Output): Promise<void> {
  const name = `the ${kind === "zipkin" ? "Zipkin" : "collector"} at ${url}`;
  try {
    // A small answer that both kinds of backend give.
    const { ok, status } = await fetch(apiUrl(url, "zipkin", "/api/v2/services"), {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      redirect: "manual",
    });
    if (!ok) output.warn(`${name} answers ${status}`);
  } catch (error) {
    output.warn(`${name} does not answer: ${errorText(error)}`);
  }
}

const ANSWER_TIMEOUT_MS = 5000;

function ofBackend({ kind, url, headers }: KindOfServer<(typeof KINDS)[number]>): Source {
  return {
    backend: { kind, url, hasLive: kind === "collector", fetch: fetchAs({ headers }) },
    topology: null,
    about: describeSource(
      kind === "collector",
      `the ${kind === "zipkin" ? "Zipkin" : "collector"} at ${url}`,
    ),
  };
}
