import { type ControlState, type LinkFaultJson, TOKEN_HEADER } from "../../contract/control.ts";
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
      says: "make a link slow",
    },
    {
      line: "chain-link fault catalog --errors 10%",
      says: "fail 10% of its requests (page address in $CHAIN_LINK_PAGE)",
    },
    { line: "chain-link fault catalog --stop", says: "refuse connections to it" },
    { line: "chain-link fault catalog --clear", says: "return to what the topology says" },
    { line: "chain-link fault --backend-down 10s", says: "let the collector refuse spans for 10 s" },
  ],
  operands: {
    usage: "[LINK]",
    summary: "Link to change; without one, current faults are listed.",
    min: 0,
    max: 1,
  },
  flags: {
    page: textFlag(null, {
      summary: "Page address that 'up' printed, including its token.",
      placeholder: "URL",
      hide: hideSecrets,
    }),
    latency: durationFlag(null, { summary: "Additional latency of each request." }),
    errors: percentageFlag(0, { summary: "Share of requests to answer with status 500." }),
    stop: switchFlag({ summary: "Refuse connections." }),
    clear: switchFlag({
      summary: "Clear the link's faults; without LINK, all faults and the backend's.",
      formerName: "mend",
    }),
    "backend-down": durationFlag(null, {
      summary: "Let the collector refuse spans for this long; 0 stops it.",
    }),
    output: outputFlag(["table", "json"], "table", "Output format of the current faults."),
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
    if (isFault && flags.clear) throw new UserError("usage", "--clear and a fault were both given");
    if (isFault && link === undefined) {
      throw new UserError("usage", "LINK is missing: a fault needs a link");
    }
    let state = await ask(page, "GET", "");
    if (link !== undefined && state.services.length === 0) {
      throw new UserError(
        "usage",
        `${page.url} is a collector without links, so no link can have a fault`,
        "Use the page of 'chain-link up'; a collector supports only --backend-down.",
      );
    }
    if (link !== undefined && !state.services.includes(link)) {
      const nearest = findNearest(link, state.services);
      const hint =
        nearest === undefined ? `There are ${state.services.join(", ")}.` : `Did you mean ${nearest}?`;
      throw new UserError("usage", `there is no link ${JSON.stringify(link)}`, hint);
    }
    const path = link === undefined ? "/faults" : `/faults/${encodeURIComponent(link)}`;
    if (flags.clear) state = await ask(page, "DELETE", path);
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
  const hint = "Pass the address that 'chain-link up' printed, in quotes, or set CHAIN_LINK_PAGE to it.";
  if (text === null) throw new UserError("usage", "--page is missing", hint);
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
      // A proxy in front of the page may consume `Authorization`.
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
      "Check that 'chain-link up' is still running; it prints a new address each time.",
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
    isStopped ? "stopped" : "running",
  ]);
  const lines = rows.length === 0 ? ["no link has a fault"] : renderTable(COLUMNS, rows);
  for (const link of gone) lines.push(`the process of ${link} has exited`);
  if (backend.isDown) {
    const until =
      backend.until === null ? "" : ` until ${new Date(backend.until).toTimeString().slice(0, 8)}`;
    lines.push(`the backend is down${until}`);
  }
  return joinLines(lines);
}

const COLUMNS = [{ title: "LINK" }, { title: "LATENCY" }, { title: "ERRORS" }, { title: "STATE" }];
