import { type ControlState, type LinkFaultJson, TOKEN_HEADER } from "../../collector/control.ts";
import { readBodyText } from "../../lib/bounded-body.ts";
import { apiUrl, type Endpoint, hideSecrets, parseEndpoint } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { formatPercentage } from "../../lib/percentage.ts";
import { findNearest } from "../../lib/suggestion.ts";
import { joinLines } from "../../lib/visible-text.ts";
import { defineCommand } from "../shell/command.ts";
import { EXIT } from "../shell/exit.ts";
import { durationFlag, percentageFlag, switchFlag, textFlag } from "../shell/flags.ts";
import { outputFlag } from "../shell/global-flags.ts";
import { renderTable } from "../shell/table.ts";

const TIMEOUT_MS = 10_000;

export const fault = defineCommand({
  examples: [
    {
      line: "chain-link fault catalog --page 'http://127.0.0.1:9411/#token=…' --latency 200ms",
      says: "a slow link",
    },
    { line: "chain-link fault catalog --errors 10%", says: "with the page's address in CHAIN_LINK_PAGE" },
    { line: "chain-link fault catalog --stop", says: "nobody listens on its port" },
    { line: "chain-link fault catalog --mend", says: "as the topology says again" },
    { line: "chain-link fault --backend-down 10s", says: "the collector refuses spans" },
  ],
  operands: { usage: "[LINK]", summary: "The link; without one, faults are listed.", min: 0, max: 1 },
  flags: {
    page: textFlag(null, {
      summary: "The page's address as 'up' prints it, with its token.",
      placeholder: "URL",
      hide: hideSecrets,
    }),
    latency: durationFlag(null, { summary: "Time that each request takes in addition." }),
    errors: percentageFlag(0, { summary: "Share of requests that are answered with 500." }),
    stop: switchFlag({ summary: "Refuse connections." }),
    mend: switchFlag({ summary: "End the link's faults; without LINK those of all, and of the backend." }),
    "backend-down": durationFlag(null, { summary: "Let the collector refuse spans for so long; 0 ends it." }),
    output: outputFlag(["table", "json"], "table", "How to print what is wrong now."),
  },
  async run({ flags, operands, output }) {
    const page = readPage(flags.page);
    const [link] = operands;
    const wanted: LinkFaultJson = {
      ...(flags.latency !== null && { latencyMs: flags.latency }),
      ...(flags.errors > 0 && { errorRate: flags.errors }),
      ...(flags.stop && { isStopped: true }),
    };
    const isFault = Object.keys(wanted).length > 0;
    if (isFault && flags.mend) throw new UserError("usage", "--mend was given together with a fault");
    if (isFault && link === undefined) {
      throw new UserError("usage", "LINK is missing: no link was named that the fault is for");
    }
    let state = await ask(page, "GET", "");
    if (link !== undefined && state.services.length === 0) {
      throw new UserError(
        "usage",
        `${page.url} is a collector without links: no link of it can have a fault`,
        "Give the page of 'chain-link up'; here --backend-down is all that can be broken.",
      );
    }
    if (link !== undefined && !state.services.includes(link)) {
      const nearest = findNearest(link, state.services);
      const hint =
        nearest === undefined ? `There are ${state.services.join(", ")}.` : `Did you mean ${nearest}?`;
      throw new UserError("usage", `there is no link ${JSON.stringify(link)}`, hint);
    }
    const path = link === undefined ? "/faults" : `/faults/${encodeURIComponent(link)}`;
    if (flags.mend) state = await ask(page, "DELETE", path);
    if (isFault) state = await ask(page, "PUT", path, wanted);
    const downMs = flags["backend-down"];
    if (downMs !== null) {
      state = await ask(
        page,
        "PUT",
        "/backend",
        downMs > 0 ? { isDown: true, forMs: downMs } : { isDown: false },
      );
    }
    const { faults, gone, backend } = state;
    await output.result(
      flags.output === "json" ? `${JSON.stringify({ faults, gone, backend })}\n` : describe(state),
    );
    return EXIT.done;
  },
});

interface PageAddress extends Endpoint {
  /** Secret. */
  readonly token: string;
}

function readPage(text: string | null): PageAddress {
  const hint = "Give the address that 'chain-link up' printed, in quotes, or set CHAIN_LINK_PAGE to it.";
  if (text === null) throw new UserError("usage", "--page is missing: which chain is meant?", hint);
  const endpoint = parseEndpoint(text);
  const token = /#token=([\w-]+)$/.exec(text)?.[1];
  if (typeof endpoint === "string" || token === undefined) {
    throw new UserError(
      "usage",
      `--page: expected http://HOST:PORT/#token=TOKEN, found ${JSON.stringify(hideSecrets(text))}`,
      hint,
    );
  }
  return { ...endpoint, token };
}

async function ask(page: PageAddress, method: string, path: string, body?: object): Promise<ControlState> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(apiUrl(page.url, "page", `/api/control${path}`), {
      method,
      // A proxy in front of the page takes `Authorization` for itself.
      headers: { Authorization: `Bearer ${page.token}`, ...page.headers, [TOKEN_HEADER]: page.token },
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    text = await readBodyText(response);
  } catch (error) {
    throw new UserError(
      "control-failed",
      `${page.url} does not answer: ${errorText(error)}`,
      "Is 'chain-link up' still running? It prints another address each time.",
      { cause: error },
    );
  }
  if (!response.ok) throw new UserError("control-failed", `${page.url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as ControlState;
}

function describe({ faults, gone, backend }: ControlState): string {
  const rows = Object.entries(faults).map(([link, { latencyMs, errorRate, isStopped }]) => [
    link,
    latencyMs === undefined ? "-" : `+${latencyMs} ms`,
    errorRate === undefined ? "-" : formatPercentage(errorRate),
    isStopped ? "stopped" : "runs",
  ]);
  const lines = rows.length === 0 ? ["no link has a fault"] : renderTable(COLUMNS, rows);
  for (const link of gone) lines.push(`the process of ${link} has ended`);
  if (backend.isDown) {
    const until =
      backend.until === null ? "" : ` until ${new Date(backend.until).toTimeString().slice(0, 8)}`;
    lines.push(`the backend is down${until}`);
  }
  return joinLines(lines);
}

const COLUMNS = [{ title: "LINK" }, { title: "LATENCY" }, { title: "ERRORS" }, { title: "STATE" }];
