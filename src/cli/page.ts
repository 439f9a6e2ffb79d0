import type { RemotePageOptions } from "../collector/remote-page.ts";
import { defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { type Flag, integerFlag, parseHttpUrl, switchFlag, textFlag, Unfit } from "./flags.ts";
import { watchInterrupts } from "./interrupt.ts";
import { openBrowser } from "./open-browser.ts";

type Source = Pick<RemotePageOptions, "backend" | "topology" | "about">;

export const page = defineCommand({
  examples: [
    {
      line: "chain-link page --backend zipkin=http://localhost:9411 --port 0",
      says: "the page over a Zipkin that is there already",
    },
  ],
  flags: {
    backend: backendFlag(),
    host: textFlag("127.0.0.1", { summary: "Address to listen on.", placeholder: "ADDRESS" }),
    port: integerFlag(
      9410,
      { min: 0, max: 65_535 },
      { summary: "Port of the page; 0 takes a free one.", placeholder: "PORT", env: [] },
    ),
    open: switchFlag({ summary: "Open the page in a browser." }),
  },
  async run({ flags, output }) {
    const interruption = watchInterrupts(() => output.raw("\n"));
    if (flags.backend === null) {
      const { UserError } = await import("../lib/errors.ts");
      throw new UserError(
        "usage",
        "say with --backend whose traces are to be shown",
        "For instance --backend zipkin=http://localhost:9411.",
      );
    }
    const source = ofBackend(flags.backend);
    const { startRemotePage } = await import("../collector/remote-page.ts");
    const running = startRemotePage({ ...source, host: flags.host, port: flags.port });
    output.info(`${running.url}/`);
    output.detail(source.about);
    if (flags.open) openBrowser(`${running.url}/`);
    const signal = await interruption.signal;
    await running.stop();
    return signal === "SIGINT" ? EXIT.interrupted : EXIT.done;
  },
});

const KINDS = ["zipkin", "collector"] as const;

interface Backend {
  readonly kind: (typeof KINDS)[number];
  readonly url: string;
}

function backendFlag(): Flag<Backend | null> {
  const unfit = new Unfit("zipkin= or collector= and its URL, such as zipkin=http://localhost:9411");
  return {
    summary: "Whose traces are shown.",
    placeholder: "KIND=URL",
    fallback: null,
    parse: (texts) => {
      const [, name, rest = ""] = /^([a-z]+)=(.*)$/.exec(texts.at(-1) ?? "") ?? [];
      const kind = KINDS.find((it) => it === name);
      const url = parseHttpUrl(rest);
      return kind === undefined || url instanceof Unfit ? unfit : { kind, url: url.replace(/\/$/, "") };
    },
  };
}

function ofBackend({ kind, url }: Backend): Source {
  return {
    backend: { kind, url, fetch: (to, init) => fetch(to, init) },
    topology: null,
    about: describeSource(kind, `the ${kind === "zipkin" ? "Zipkin" : "collector"} at ${url}`),
  };
}

/** What is shown and what cannot be. */
function describeSource(kind: Backend["kind"], place: string): string {
  const numbers =
    kind === "zipkin"
      ? "Zipkin has no live numbers: those on the graph are of its newest 200 traces, 5 seconds late. "
      : "";
  return `Read from ${place}. ${numbers}Load, faults and ledgers are not to be had from here.`;
}
