import { expect, test } from "bun:test";
import { join } from "node:path";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const CHAIN = ["verify", "--instances", "3", "--slow", "off", "--in-process"];
const RUN = [...CHAIN, "--rate", "100/s", "--requests", "10", "--max-wait", "2s"];

test("an unmet expectation ends verify with 1, in JSON and in JUnit", async () => {
  using folder = temporaryFolder();
  const junit = join(folder.path, "verify.xml");
  const unmet = "envoy: 1 span on every edge";
  const expectations = ["--expect", unmet, "--expect", "gateway: no spans at the entry"];
  const json = await runCli([...RUN, ...expectations, "-o", "json", "--junit", junit]);
  const cases = await Bun.file(junit).text();
  expect(cases).toContain(`<testcase classname="expect" name="${unmet}"><failure message="`);
  expect(cases).toContain('<testcase classname="expect" name="gateway: no spans at the entry"></testcase>');
  expect(cases).toContain('failures="1" errors="0"');
  expect(json.exitCode).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({
    outcome: "complete",
    platform: { tracesRead: 10, rows: [], expected: [{ outcome: "not-met" }, { outcome: "met" }] },
  });
}, 60_000);

test("an expectation about calls that nobody makes is undetermined: exit code 3", async () => {
  const { exitCode, stdout } = await runCli([...RUN, "--expect", "envoy: 1 span on x > y"]);
  expect(stdout).toStartWith(
    "EXPECTATION NOT MET: none of 50 spans missing, 10 requests\n1 of 1 expectation not met\n",
  );
  expect(stdout).toContain("expected envoy: 1 span on x > y: could not tell (no call x > y was seen)");
  expect(exitCode).toBe(3);
}, 60_000);

test("a syntax error in an expectation is wrong usage, with its position", async () => {
  const { exitCode, stderr } = await runCli([...RUN, "--expect", "envoy: two spans on every edge"]);
  expect(stderr).toContain("--expect: expected a number, 'no', 'at least N' or 'at most N' at character 8");
  expect(exitCode).toBe(2);
  const forms = await runCli([...CHAIN, "--propagation", "--expect", "envoy: 1 span on every edge"]);
  expect(forms.stderr).toContain("--expect has no effect with --propagation");
  expect(forms.exitCode).toBe(2);
}, 60_000);
