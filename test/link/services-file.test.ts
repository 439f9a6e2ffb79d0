import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../src/lib/errors.ts";
import { type Link, startLink } from "../../src/link/link.ts";
import { REPORTER_DEFAULTS } from "../../src/link/reporter.ts";
import { readServicesFile, watchServicesFile } from "../../src/link/services-file.ts";
import { hashServices } from "../../src/topology/services-list.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { eventually, temporaryFolder } from "../helpers/cli.ts";

function failureOf(content: string | null): UserError {
  using folder = temporaryFolder();
  const path = join(folder.path, "services.json");
  if (content !== null) writeFileSync(path, content);
  try {
    readServicesFile(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.code).toBe("services-file-invalid");
    expect(error.message).toContain(path);
    expect(error.hint).toBeString();
    return error;
  }
  throw new Error("it was read");
}

describe("reading the services file", () => {
  test("returns its names and host:port entries in order", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, ' ["chain-link-service-0", "b:8001", "c.ns.svc", "10.0.0.1:65535", "X_1"]\n');
    expect(readServicesFile(path)).toEqual([
      ...["chain-link-service-0", "b:8001", "c.ns.svc", "10.0.0.1:65535", "X_1"],
    ]);
  });

  test("fails if it is missing", () => {
    expect(failureOf(null).message).toEndWith("does not exist");
  });

  test("fails if it is a folder", () => {
    using folder = temporaryFolder();
    expect(() => readServicesFile(folder.path)).toThrow("cannot be read");
  });

  test.each([
    ["", "found no JSON ("],
    ["a, b", "found no JSON ("],
    ['["a",]', "found no JSON ("],
    ["{}", "found an object"],
    ['"a"', "found a string"],
    ["null", "found null"],
    ["[]", "found an empty list"],
    ['["a", "b", "a"]', 'found "a" twice'],
    ['["a", 1]', "found 1 at position 1"],
    ['["a", null]', "found null at position 1"],
    ['["a", ["b"]]', 'found ["b"] at position 1'],
    ['[""]', 'found "" at position 0'],
    ['["a b"]', 'found "a b" at position 0'],
    ['["a/b"]', 'found "a/b" at position 0'],
    ['["-a"]', 'found "-a" at position 0'],
    ['["a:"]', 'found "a:" at position 0'],
    ['["a:0"]', 'found "a:0" at position 0'],
    ['["a:65536"]', 'found "a:65536" at position 0'],
    ['["a:b"]', 'found "a:b" at position 0'],
    ['["a@b"]', 'found "a@b" at position 0'],
    ['["a\\nb"]', 'found "a\\nb" at position 0'],
  ])("%s: %s", (content, found) => {
    expect(failureOf(content).message).toContain(found);
  });
});

/** A watched file, with the lists and problems that were reported. */
function watchFile(path: string) {
  const lists: string[][] = [];
  const problems: string[] = [];
  const watcher = watchServicesFile(
    path,
    readServicesFile(path),
    (names) => lists.push([...names]),
    (message) => problems.push(message),
  );
  const nextList = () => eventually(() => lists.shift());
  const nextProblem = () => eventually(() => problems.shift());
  return { lists, problems, nextList, nextProblem, [Symbol.dispose]: () => watcher.close() };
}

/** A ConfigMap volume as the kubelet lays it out: the file is a link into `..data`, a link to a folder with a date. */
function writeConfigMap(folder: string, generation: number, services: readonly string[]): void {
  const dated = `..2026_01_01_00_00_0${generation}.000000000`;
  mkdirSync(join(folder, dated));
  writeFileSync(join(folder, dated, "services.json"), JSON.stringify(services));
  symlinkSync(dated, join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  if (generation === 1) symlinkSync("..data/services.json", join(folder, "services.json"));
  else rmSync(join(folder, `..2026_01_01_00_00_0${generation - 1}.000000000`), { recursive: true });
}

describe("watching the services file", () => {
  test("reports a file that is rewritten", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a"]');
    using watched = watchFile(path);
    writeFileSync(path, '["a", "b"]');
    expect(await watched.nextList()).toEqual(["a", "b"]);
  });

  test("reports a file that is replaced by another", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a"]');
    using watched = watchFile(path);
    for (const name of ["b", "c"]) {
      writeFileSync(join(folder.path, "new"), JSON.stringify([name]));
      renameSync(join(folder.path, "new"), path);
      expect(await watched.nextList()).toEqual([name]);
    }
    expect(watched.problems).toEqual([]);
  });

  test("reports each change of a ConfigMap volume", async () => {
    using folder = temporaryFolder();
    writeConfigMap(folder.path, 1, ["a"]);
    using watched = watchFile(join(folder.path, "services.json"));
    for (const generation of [2, 3, 4]) {
      writeConfigMap(folder.path, generation, ["a", `b${generation}`]);
      expect(await watched.nextList()).toEqual(["a", `b${generation}`]);
    }
    expect(watched.problems).toEqual([]);
  });

  test("reports a change made between the first read and the start of watching", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a", "b"]');
    const lists: (readonly string[])[] = [];
    const watcher = watchServicesFile(
      path,
      ["a"],
      (names) => lists.push(names),
      () => {},
    );
    expect(await eventually(() => lists.shift())).toEqual(["a", "b"]);
    watcher.close();
  });

  test("reports invalid content once, and reports the next valid list", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a"]');
    using watched = watchFile(path);
    writeFileSync(path, "[");
    expect(await watched.nextProblem()).toContain("no JSON");
    writeFileSync(join(folder.path, "other"), "x");
    await Bun.sleep(250);
    expect(watched.problems).toEqual([]);
    writeFileSync(path, "[]");
    expect(await watched.nextProblem()).toContain("an empty list");
    rmSync(path);
    expect(await watched.nextProblem()).toContain("does not exist");
    writeFileSync(path, '["a"]');
    writeFileSync(path, '["z"]');
    expect(await watched.nextList()).toEqual(["z"]);
    expect(watched.problems).toEqual([]);
  });

  test("does not report the same list in another format", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a","b"]');
    using watched = watchFile(path);
    writeFileSync(path, '[ "a",\n"b" ]');
    await Bun.sleep(250);
    expect(watched.lists).toEqual([]);
  });

  test("reports a change in spite of constant activity in the folder", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a"]');
    using watched = watchFile(path);
    let count = 0;
    const noise = setInterval(() => writeFileSync(join(folder.path, "noise"), String(count++)), 5);
    writeFileSync(path, '["b"]');
    expect(await watched.nextList()).toEqual(["b"]);
    clearInterval(noise);
  });
});

describe("a link with a services file", () => {
  const open = (path: string, lines: string[] = [], instances: number | null = null, name = "a"): Link =>
    startLink({
      name,
      host: "127.0.0.1",
      port: 0,
      source: { kind: "file", path, slow: false, instances },
      resolve: () => CLOSED_PORT,
      target: { kind: "zipkin", url: CLOSED_PORT },
      propagators: [],
      sampler: () => false,
      tagSet: "default",
      trustPosition: true,
      log: {
        level: "info",
        format: "text",
        accessLog: false,
        write: (line) => lines.push(line),
        writeAccess: () => {},
      },
      reporter: REPORTER_DEFAULTS,
      resourceAttributes: {},
      version: "0",
      randomOf: () => Math.random,
    });
  const stop = (link: Link) => link.stop({ drainMs: 0, graceMs: 1000 });

  test("loads a changed list without a restart, and shows it in readiness and log", async () => {
    using folder = temporaryFolder();
    writeConfigMap(folder.path, 1, ["a"]);
    const lines: string[] = [];
    const link = open(join(folder.path, "services.json"), lines);
    const hash = async () => (await fetch(`${link.url}/readiness`)).headers.get("chain-link-services");
    expect(await hash()).toBe(hashServices(["a"]));
    expect((await fetch(link.url)).status).toBe(200);
    writeConfigMap(folder.path, 2, ["a", "b"]);
    const wanted = hashServices(["a", "b"]);
    await eventually(async () => ((await hash()) === wanted ? true : undefined));
    // Now the link calls b, where no server listens.
    expect((await fetch(link.url)).status).toBe(502);
    expect(lines.filter((line) => line.includes("new services"))).toEqual([
      "INFO     new services: ['a']",
      "INFO     new services: ['a', 'b']",
    ]);
    await stop(link);
  });

  test("keeps serving with its old list if a new list leaves it out, because deploy shortens a chain before it removes links", async () => {
    using folder = temporaryFolder();
    writeConfigMap(folder.path, 1, ["b", "a"]);
    const lines: string[] = [];
    const link = open(join(folder.path, "services.json"), lines);
    writeConfigMap(folder.path, 2, ["b"]);
    await eventually(() => lines.find((line) => line.includes("which keeps its previous list")));
    expect((await fetch(link.url)).status).toBe(200);
    writeConfigMap(folder.path, 3, ["a", "b"]);
    // Now the link calls b, where no server listens.
    await eventually(async () => ((await fetch(link.url)).status === 502 ? true : undefined));
    await stop(link);
  });

  test("and the chain's length serves before the list names it, and follows the list from then on", async () => {
    using folder = temporaryFolder();
    const [first, second, third] = ["chain-link-service-0", "chain-link-service-1", "chain-link-service-2"];
    writeConfigMap(folder.path, 1, [first ?? ""]);
    const link = open(join(folder.path, "services.json"), [], 2, second);
    expect(await (await fetch(link.url)).json()).toEqual({
      message: `You have reached the final chain link ${second}`,
    });
    writeConfigMap(folder.path, 2, [first ?? "", second ?? "", third ?? ""]);
    await eventually(async () => ((await fetch(link.url)).status === 502 ? true : undefined));
    await stop(link);
  });

  test("and no length answers 400 if the list does not name it, as the original does", async () => {
    using folder = temporaryFolder();
    writeConfigMap(folder.path, 1, ["b"]);
    const link = open(join(folder.path, "services.json"));
    expect((await fetch(link.url)).status).toBe(400);
    await stop(link);
  });

  test("keeps its list if the new one is invalid, and logs an error", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a"]');
    const lines: string[] = [];
    const link = open(path, lines);
    writeFileSync(path, '["a", "a"]');
    const error = await eventually(() => lines.find((line) => line.startsWith("ERROR")));
    expect(error).toEndWith('found "a" twice');
    const response = await fetch(`${link.url}/readiness`);
    expect(response.headers.get("chain-link-services")).toBe(hashServices(["a"]));
    expect((await fetch(link.url)).status).toBe(200);
    await stop(link);
  });

  test("does not start if the file is missing", () => {
    using folder = temporaryFolder();
    expect(() => open(join(folder.path, "nothing.json"))).toThrow(UserError);
  });
});
