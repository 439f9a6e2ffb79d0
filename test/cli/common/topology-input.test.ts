import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

function documentOf(services: object): string {
  return JSON.stringify({ apiVersion: "chain-link.dev/v1", kind: "Topology", services });
}

/** The warnings of a command that reads the document from standard input, and what it printed. */
async function run(services: object, args: readonly string[]) {
  using home = temporaryFolder();
  const { exitCode, stdout, stderr } = await runCli(args, {
    stdin: documentOf(services),
    env: { HOME: home.path, CHAIN_LINK_CONFIG_FILE: join(home.path, "c.conf") },
  });
  const warnings = stderr.split("\n").filter((line) => line.includes("no service calls"));
  return { exitCode, stdout, warnings };
}

const GENERATE = ["generate", "-", "-o", "yaml"];
const ONE = "WARNING  standard input: no service calls lonely, so it gets no requests";

test("a service without callers is a warning on standard error, and the command continues", async () => {
  const services = { front: { entry: true, calls: [["back"]] }, back: {}, lonely: { calls: ["back"] } };
  const { exitCode, stdout, warnings } = await run(services, GENERATE);
  expect({ exitCode, warnings }).toEqual({ exitCode: 0, warnings: [ONE] });
  expect(loadAll(stdout).length).toBeGreaterThan(5);
  const up = ["up", "-", "--port", "0", "--base-port", "0", "--duration", "100ms", "-o", "json"];
  expect((await run(services, up)).warnings).toEqual([ONE]);
  const load = ["load", "-", "--requests", "1", "-o", "json"];
  expect((await run(services, load)).warnings).toEqual([ONE]);
  expect((await run(services, [...GENERATE, "--quiet"])).warnings).toEqual([]);
});

test("several services without callers share one warning", async () => {
  const two = await run({ front: { entry: true }, one: {}, other: {} }, GENERATE);
  expect(two.warnings).toEqual([
    "WARNING  standard input: no service calls one or other, so they get no requests",
  ]);
  const lonely = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`s${index}`, {}]));
  const { warnings } = await run({ front: { entry: true }, ...lonely }, GENERATE);
  expect(warnings).toEqual([
    "WARNING  standard input: no service calls s0, s1, s2, s3, s4 or 2 others, so they get no requests",
  ]);
});

test("there is no warning when every service has a caller", async () => {
  const services = { front: { entry: true, calls: [{ service: "back", retries: 1 }] }, back: {} };
  expect((await run(services, GENERATE)).warnings).toEqual([]);
});
