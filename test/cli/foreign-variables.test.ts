import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { GLOBAL_FLAGS } from "../../src/cli/shell/global-flags.ts";
import { environmentOf } from "../../src/cli/shell/settings.ts";
import { type Finished, runCli, temporaryFolder } from "../helpers/cli.ts";
import { ledgerBytes } from "../helpers/ledger.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const fileOf = (name: string) => join(folder.path, name);
await Bun.write(
  fileOf("shop.yaml"),
  "apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: shop }\nservices: { a: { entry: true } }\n",
);
await Bun.write(fileOf("run"), ledgerBytes({ run: "9f86d081884c7d65", startMs: 1, url: "http://a" }, []));
await Bun.write(
  fileOf("spans"),
  JSON.stringify([{ traceId: "1".repeat(16), id: "2".repeat(16), name: "a" }]),
);
await Bun.write(fileOf("config"), "[DEFAULT]\n");
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json([]) });
afterAll(() => server.stop(true));
const url = `http://127.0.0.1:${server.port}`;

/** Values that nothing can use. */
const PLATFORM: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      ...["SDK_DISABLED", "PROPAGATORS", "TRACES_SAMPLER", "TRACES_SAMPLER_ARG", "TRACES_EXPORTER"],
      ...["RESOURCE_ATTRIBUTES", "BSP_MAX_QUEUE_SIZE", "BSP_MAX_EXPORT_BATCH_SIZE", "BSP_SCHEDULE_DELAY"],
      ...[
        "BSP_EXPORT_TIMEOUT",
        "EXPORTER_ZIPKIN_ENDPOINT",
        "EXPORTER_OTLP_ENDPOINT",
        "EXPORTER_OTLP_HEADERS",
      ],
      ...["EXPORTER_OTLP_PROTOCOL", "EXPORTER_OTLP_COMPRESSION", "EXPORTER_OTLP_TIMEOUT"],
      ...["EXPORTER_OTLP_CERTIFICATE", "EXPORTER_OTLP_TRACES_ENDPOINT", "EXPORTER_OTLP_TRACES_PROTOCOL"],
    ].map((name) => [`OTEL_${name}`, "?? ??"]),
  ),
  HTTP_PROXY: "http://127.0.0.1:1",
  https_proxy: "nonsense",
  FORCE_COLOR: "maybe",
  TERM: "unknown",
  LC_ALL: "xx_XX.nothing",
};

/** Every use of a command that ends by itself, and flags of it that this use leaves idle. */
const USES: readonly (readonly [args: readonly string[], idle?: readonly string[]])[] = [
  [["version"]],
  [["completion", "bash"]],
  [
    ["load", url, "--requests", "2"],
    ["instances", "slow", "zipkin", "otlp", "otlp-protocol", "tags"],
  ],
  [["load", fileOf("shop.yaml"), "--requests", "2"], ["instances"]],
  [
    ["verify", fileOf("shop.yaml"), "--requests", "2", "--max-wait", "5s"],
    ["instances", "namespace", "serve"],
  ],
  [
    ["verify", url, "--requests", "1", "--max-wait", "0s", "--backend", `zipkin=${url}`],
    ["zipkin", "tags"],
  ],
  [
    ["verify", "--run", fileOf("run"), "--backend", `zipkin=${url}`],
    ["rate", "timeout", "sample", "otlp"],
  ],
  [["traces", "export", "-", "--from", url], ["to"]],
  [
    ["traces", "import", fileOf("spans"), "--to", url],
    ["from", "limit"],
  ],
  [["generate", fileOf("shop.yaml"), "-o", "yaml", "--config-file", fileOf("config")], ["instances"]],
  [["fault", "--page", `${url}/#token=abcdefghijklmnop`]],
  [
    ["status", "--kubeconfig", fileOf("nowhere"), "--config-file", fileOf("config")],
    ["instances", "collector", "network-policy", "sleep-time", "chain-link-image"],
  ],
  [
    ["history", "--kubeconfig", fileOf("nowhere"), "--config-file", fileOf("config")],
    ["instances", "canary"],
  ],
];

async function foreignVariables(command: string, idle: readonly string[]): Promise<Record<string, string>> {
  const own = new Set<string>();
  const all = new Set<string>();
  for (const entry of COMMANDS) {
    const { flags } = await entry.load();
    for (const [name, flag] of Object.entries({ ...flags, ...GLOBAL_FLAGS })) {
      const isOwn = (entry.name === command && !idle.includes(name)) || name in GLOBAL_FLAGS;
      for (const variable of environmentOf(name, flag)) (isOwn ? own : all).add(variable);
    }
  }
  return Object.fromEntries([...all].filter((it) => !own.has(it)).map((it) => [it, "?? ??"]));
}

/** How a run ended, without what differs from one run to the next. */
function endOf({ exitCode, stdout, stderr }: Finished) {
  const [firstLine = ""] = stdout.split("\n");
  const errors = stderr.split("\n").filter((line) => line.startsWith("ERROR"));
  return { exitCode, firstLine: firstLine.replace(/[0-9a-f]{16}|\d+/g, "#"), errors };
}

test.each(
  USES.map(([args, idle = []]) => [args.map((it) => it.replace(folder.path, "")), args, idle] as const),
)("variables that %j does not use have no effect", async (_, args, idle) => {
  const [plain, disturbed] = await Promise.all([
    runCli(args),
    runCli(args, { env: { ...(await foreignVariables(args[0] ?? "", idle)), ...PLATFORM } }),
  ]);
  expect(endOf(disturbed)).toEqual(endOf(plain));
  const warnings = disturbed.stderr.split("\n").filter((line) => line.startsWith("WARNING"));
  expect(new Set(warnings).size).toBe(warnings.length);
});

test.skipIf(process.platform !== "linux")(
  "a proxy is used for other hosts, but not for those of NO_PROXY",
  async () => {
    await using elsewhere = Bun.serve({ hostname: "127.0.0.2", port: 0, fetch: () => Response.json([]) });
    const args = ["traces", "export", "-", "--from", `http://127.0.0.2:${elsewhere.port}`];
    const HTTP_PROXY = "http://127.0.0.1:1";
    expect((await runCli(args, { env: { HTTP_PROXY } })).exitCode).toBe(1);
    for (const name of ["NO_PROXY", "no_proxy"]) {
      const done = await runCli(args, { env: { HTTP_PROXY, [name]: "127.0.0.2" } });
      expect(done).toMatchObject({ exitCode: 0, stdout: "[\n]\n" });
    }
  },
);
