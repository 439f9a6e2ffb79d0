import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseTopology } from "../../../src/topology/parse.ts";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const GRAPH = `services:
- name: front
  isEntrypoint: true
  numRbacPolicies: 3
  script: [{ call: back }]
- { name: back, responseSize: 1KB }
`;

test("import isotope writes a topology to standard output and warnings to standard error", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "graph.yaml");
  writeFileSync(file, GRAPH);
  const { exitCode, stdout, stderr } = await runCli(["import", "isotope", file]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 0,
    stderr: `WARNING  ${file}:4:3: services[0].numRbacPolicies: has no counterpart and is left out\n`,
  });
  expect([...parseTopology(stdout, "stdout").services.keys()]).toEqual(["front", "back"]);
});

test("import reads standard input", async () => {
  const { exitCode, stdout } = await runCli(["import", "isotope", "-", "--quiet"], { stdin: GRAPH });
  expect(exitCode).toBe(0);
  expect(parseTopology(stdout, "stdout").entry).toBe("front");
});

test("import with problems ends with 1 and writes nothing", async () => {
  const { exitCode, stdout, stderr } = await runCli(["import", "isotope", "-"], {
    stdin: "services: [{ name: a, script: [{ call: b }] }]\n",
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain("standard input has 1 problem:");
  expect(stderr).toContain("standard input:1:40: services[0].script[0].call: expected the name of a service");
});

test.each([
  [["import"], "isotope FILE"],
  [["import", "isotope"], "isotope FILE"],
  [["import", "isotop", "x.yaml"], 'expected one of isotope, found "isotop"'],
])("%j is wrong usage", async (args, message) => {
  const { exitCode, stderr } = await runCli(args as string[]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(message);
});
