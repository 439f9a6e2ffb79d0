import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkResultFile, ResultFile, writeResultFile } from "../../src/lib/result-file.ts";

const root = mkdtempSync(join(tmpdir(), "chain-link-result-"));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
function newFolder(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

const MODULE = join(import.meta.dir, "../../src/lib/result-file.ts");

/** Runs a script that may use ResultFile, after some shell commands. */
function runScript(script: string, shell = "exec", args: readonly string[] = []) {
  const code = `import { ResultFile, writeResultFile } from ${JSON.stringify(MODULE)}; ${script}`;
  return Bun.spawn(["sh", "-c", `${shell} "$0" -e "$@"`, process.execPath, code, ...args], {
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("a result replaces the old file as a whole, and keeps its mode", () => {
  const folder = newFolder();
  const file = join(folder, "r.json");
  writeFileSync(file, "old");
  chmodSync(file, 0o640);
  const result = new ResultFile(file);
  result.write("ne");
  expect(readFileSync(file, "utf8")).toBe("old");
  result.write(Buffer.from("w"));
  result.finish();
  expect(readFileSync(file, "utf8")).toBe("new");
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder)).toEqual(["r.json"]);
});

test("a new result has the mode of any new file", () => {
  const file = join(newFolder(), "r.json");
  writeResultFile(file, "new");
  expect(statSync(file).mode & 0o777).toBe(0o666 & ~process.umask());
});

test("a result that is discarded leaves only the old file", () => {
  const folder = newFolder();
  writeFileSync(join(folder, "r.json"), "old");
  for (const name of ["r.json", "none.json"]) {
    const result = new ResultFile(join(folder, name));
    result.write("new");
    result.discard();
  }
  expect(readdirSync(folder)).toEqual(["r.json"]);
  expect(readFileSync(join(folder, "r.json"), "utf8")).toBe("old");
});

test("a symbolic link stays, and the file that it points to is replaced or created", () => {
  const [links, files] = [newFolder(), newFolder()];
  writeFileSync(join(files, "a"), "old");
  for (const name of ["a", "b"]) {
    symlinkSync(`../${files.split("/").at(-1)}/${name}`, join(links, name));
    writeResultFile(join(links, name), `new ${name}`);
    expect(lstatSync(join(links, name)).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(files, name), "utf8")).toBe(`new ${name}`);
  }
  expect(readdirSync(files).sort()).toEqual(["a", "b"]);
  expect(readdirSync(links).sort()).toEqual(["a", "b"]);
});

test("writes after publishing are appended to the result", () => {
  const folder = newFolder();
  const file = join(folder, "run");
  writeFileSync(file, "the ledger before");
  const result = new ResultFile(file);
  result.write("header");
  result.publish();
  expect(readFileSync(file, "utf8")).toBe("header");
  result.write(", record");
  result.finish();
  expect(readFileSync(file, "utf8")).toBe("header, record");
  expect(readdirSync(folder)).toEqual(["run"]);
});

test("a missing folder, a folder and a full device are reported with the name of the file", () => {
  const folder = newFolder();
  const missing = join(folder, "none", "r.json");
  expect(() => checkResultFile(missing)).toThrow(
    `cannot write ${missing}: there is no folder ${join(folder, "none")}`,
  );
  expect(() => checkResultFile(folder)).toThrow(`cannot write ${folder}: it is a folder`);
  if (process.platform === "linux")
    expect(() => writeResultFile("/dev/full", "x")).toThrow(
      "cannot write /dev/full: no space left on the device",
    );
});

test("a read-only file is not replaced", async () => {
  const folder = newFolder();
  const file = join(folder, "r.json");
  writeFileSync(file, "old");
  chmodSync(file, 0o444);
  // Root may write everything: the script becomes another user, who may replace files in this folder.
  chmodSync(root, 0o755);
  chmodSync(folder, 0o777);
  const script = `
    if (process.getuid() === 0) process.setuid(65534);
    try { const file = new ResultFile(process.argv[1]); file.write("new"); file.finish(); }
    catch (error) { console.log(error.code, error.message); }`;
  const child = runScript(script, "exec", [file]);
  expect(await child.stdout.text()).toContain(`file-unwritable cannot write ${file}: permission denied`);
  expect(readFileSync(file, "utf8")).toBe("old");
});

test("a check changes no file, creates none, and does not wait for the reader of a named pipe", async () => {
  const folder = newFolder();
  const [old, pipe] = [join(folder, "old"), join(folder, "pipe")];
  writeFileSync(old, "old");
  await Bun.spawn(["mkfifo", pipe]).exited;
  for (const file of [old, join(folder, "new"), pipe, "-", "/dev/stdout", "/dev/null"]) checkResultFile(file);
  expect(readdirSync(folder).sort()).toEqual(["old", "pipe"]);
  expect(readFileSync(old, "utf8")).toBe("old");
});

test("an error while writing leaves the old file and no temporary file", async () => {
  const folder = newFolder();
  const file = join(folder, "r.json");
  writeFileSync(file, "old");
  const script = `
    const file = new ResultFile(process.argv[1]);
    try { for (let i = 0; i < 100; i++) file.write("x".repeat(1000)); file.finish(); }
    catch (error) { console.log(error.code, error.message); }`;
  // A file size limit acts like a full disk.
  const child = runScript(script, "ulimit -f 8 && exec", [file]);
  expect(await child.stdout.text()).toContain(`file-unwritable cannot write ${file}: `);
  expect(readFileSync(file, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["r.json"]);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s in the middle leaves the old file and no temporary one", async (signal, exitCode) => {
  const folder = newFolder();
  const file = join(folder, "r.json");
  writeFileSync(file, "old");
  const script = `new ResultFile(process.argv[1]).write("new"); setInterval(() => {}, 1000); console.log("ready");`;
  const child = runScript(script, "exec", [file]);
  await child.stdout.getReader().read();
  expect(readdirSync(folder)).toHaveLength(2);
  child.kill(signal);
  expect(await child.exited).toBe(exitCode);
  expect(readdirSync(folder)).toEqual(["r.json"]);
  expect(readFileSync(file, "utf8")).toBe("old");
});

test("an unfinished result does not end a program that handles the signal itself", async () => {
  const folder = newFolder();
  const script = `
    const file = new ResultFile(process.argv[1]); file.write("new");
    process.on("SIGINT", () => { file.finish(); process.exit(7); });
    setInterval(() => {}, 1000); console.log("ready");`;
  const child = runScript(script, "exec", [join(folder, "r.json")]);
  await child.stdout.getReader().read();
  child.kill("SIGINT");
  expect(await child.exited).toBe(7);
  expect(readFileSync(join(folder, "r.json"), "utf8")).toBe("new");
});

test("standard output, a descriptor and a pipe are written directly", async () => {
  const script = `for (const name of process.argv.slice(1)) writeResultFile(name, name + "\\n");`;
  const names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].slice(
    0,
    process.platform === "linux" ? 4 : 3,
  );
  expect(await runScript(script, "exec", names).stdout.text()).toBe(
    names.map((name) => `${name}\n`).join(""),
  );
  // Redirected standard output is not truncated either.
  const file = join(newFolder(), "out");
  await runScript(script, `exec >${file}; exec`, names).exited;
  expect(readFileSync(file, "utf8")).toBe(names.map((name) => `${name}\n`).join(""));
  const pipe = join(newFolder(), "pipe");
  await Bun.spawn(["mkfifo", pipe]).exited;
  const [text] = await Promise.all([Bun.file(pipe).text(), runScript(script, "exec", [pipe]).exited]);
  expect(text).toBe(`${pipe}\n`);
});

test.skipIf(process.geteuid?.() !== 0)(
  "a link that another user put into a shared folder is not followed",
  () => {
    const folder = newFolder();
    const [file, victim] = [join(folder, "r.json"), join(root, "victim")];
    writeFileSync(victim, "stays");
    chmodSync(root, 0o755);
    chmodSync(folder, 0o1777);
    process.seteuid?.(65534);
    try {
      symlinkSync(victim, file);
    } finally {
      process.seteuid?.(0);
    }
    expect(() => writeResultFile(file, "new")).toThrow(`cannot write ${file}: permission denied`);
    expect(readFileSync(victim, "utf8")).toBe("stays");
  },
);
