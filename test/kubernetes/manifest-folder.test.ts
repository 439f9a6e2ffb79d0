import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ManifestFile, renderManifest } from "../../src/kubernetes/manifest-file.ts";
import { writeManifests } from "../../src/kubernetes/manifest-folder.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { UserError } from "../../src/lib/errors.ts";
import { buildChain } from "../../src/topology/chain.ts";

const WRITE_CHAIN = new URL("../fixtures/kubernetes/write-chain.ts", import.meta.url).pathname;

const NOBODY = 65534;

let top: string;
let folder: string;

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "manifest-folder-")));
  folder = join(top, "manifests");
});

afterEach(() => {
  rmSync(top, { recursive: true, force: true });
});

function chainFiles(instances: number, image = "example/link:1", namespace = "chain-link"): ManifestFile[] {
  return buildObjects(buildChain(instances), { namespace, image }).map(renderManifest);
}

/** Every file below a folder with its text, hidden ones too. */
function contentOf(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => lstatSync(join(path, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(path, name), "utf8")]));
}

function textsOf(files: readonly ManifestFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ name, text }) => [name, text]));
}

/** The folder's files as {@link contentOf} `top` has them. */
function placed(files: readonly ManifestFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ name, text }) => [`manifests/${name}`, text]));
}

function failureOf(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

async function run(...args: string[]): Promise<{ exitCode: number | null; stderr: string }> {
  const child = Bun.spawn([process.execPath, WRITE_CHAIN, ...args], { stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  await child.exited;
  return { exitCode: child.exitCode, stderr };
}

/** Mounts a small file system of its own, or returns false where that is not allowed. */
function mount(path: string, options: string): boolean {
  mkdirSync(path, { recursive: true });
  return Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]).success;
}

const CAN_MOUNT = (() => {
  const path = mkdtempSync(join(tmpdir(), "manifest-mount-"));
  const isMounted = process.platform === "linux" && mount(path, "size=64k");
  if (isMounted) Bun.spawnSync(["umount", path]);
  rmSync(path, { recursive: true });
  return isMounted;
})();

describe("an output folder without other files", () => {
  test("is created with its parents and holds exactly the manifests", () => {
    const nested = join(top, "a", "b", "manifests");
    const seen: string[] = [];
    const files = chainFiles(3);
    expect(writeManifests(nested, files, (name) => seen.push(name))).toEqual({ written: 11, removed: [] });
    expect(contentOf(top)).toEqual(
      Object.fromEntries(files.map(({ name, text }) => [`a/b/manifests/${name}`, text])),
    );
    expect(seen).toEqual(files.map(({ name }) => name));
  });

  test("loses manifests of a longer chain and of another namespace", () => {
    writeManifests(folder, chainFiles(4, undefined, "before"));
    const { removed } = writeManifests(folder, chainFiles(2, undefined, "after"));
    expect(removed).toEqual([
      "before-namespace.yaml",
      "chain-link-deployment-2-deployment.yaml",
      "chain-link-deployment-3-deployment.yaml",
      "chain-link-service-2-service.yaml",
      "chain-link-service-3-service.yaml",
    ]);
    expect(contentOf(top)).toEqual(
      Object.fromEntries(
        chainFiles(2, undefined, "after").map(({ name, text }) => [`manifests/${name}`, text]),
      ),
    );
  });

  test("remains the same folder with the same permissions", () => {
    writeManifests(folder, chainFiles(1));
    chmodSync(folder, 0o2750);
    const before = statSync(folder);
    writeManifests(folder, chainFiles(2));
    const after = statSync(folder);
    expect(after.ino).toBe(before.ino);
    expect(after.mode).toBe(before.mode);
  });

  test("keeps the modification time of unchanged files", () => {
    writeManifests(folder, chainFiles(2));
    for (const name of readdirSync(folder)) utimesSync(join(folder, name), 1000, 1000);
    writeManifests(folder, chainFiles(3));
    const mtime = (name: string) => statSync(join(folder, name)).mtimeMs;
    expect(mtime("chain-link-service-0-service.yaml")).toBe(1_000_000);
    expect(mtime("chain-link-services-configmap.yaml")).toBeGreaterThan(1_000_000);
  });
});

describe("an output folder with files of other people", () => {
  const theirs: Record<string, string> = {
    "kustomization.yaml": "resources: []\n",
    ".gitkeep": "",
    "all.yaml": chainFiles(2)
      .map(({ text }) => `---\n${text}`)
      .join(""),
    "chain-link-deployment-9-deployment.yaml": "their own\n",
    "their-namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: their\n",
    "sub/chain-link-service-9-service.yaml": chainFiles(10).at(-2)?.text ?? "",
  };

  beforeEach(() => {
    mkdirSync(join(folder, "sub"), { recursive: true });
    for (const [name, text] of Object.entries(theirs)) writeFileSync(join(folder, name), text);
  });

  test("keeps them and loses our obsolete manifests", () => {
    writeManifests(folder, chainFiles(4));
    expect(contentOf(folder)).toEqual({ ...theirs, ...textsOf(chainFiles(4)) });
    const { removed } = writeManifests(folder, chainFiles(3, "example/link:2"));
    expect(removed).toEqual(["chain-link-deployment-3-deployment.yaml", "chain-link-service-3-service.yaml"]);
    expect(contentOf(folder)).toEqual({ ...theirs, ...textsOf(chainFiles(3, "example/link:2")) });
    expect(readdirSync(top)).toEqual(["manifests"]);
  });

  test("is left unchanged when a manifest's name is taken by a folder", () => {
    writeManifests(folder, chainFiles(2));
    mkdirSync(join(folder, "chain-link-service-2-service.yaml", "x"), { recursive: true });
    const before = contentOf(top);
    const failure = failureOf(() => writeManifests(folder, chainFiles(3, "example/link:2")));
    expect(failure.code).toBe("file-unwritable");
    expect(failure.message).toBe(
      `cannot write ${join(folder, "chain-link-service-2-service.yaml")}: it is a folder`,
    );
    expect(contentOf(top)).toEqual(before);
    expect(readdirSync(top)).toEqual(["manifests"]);
  });
});

describe("an output folder in an unusual place", () => {
  test("may be a symbolic link, which remains", () => {
    const real = join(top, "elsewhere");
    symlinkSync("elsewhere", folder);
    writeManifests(folder, chainFiles(3));
    writeManifests(folder, chainFiles(2));
    expect(lstatSync(folder).isSymbolicLink()).toBe(true);
    expect(contentOf(real)).toEqual(textsOf(chainFiles(2)));
    expect(readdirSync(top).sort()).toEqual(["elsewhere", "manifests"]);
  });

  test("may be the working directory", () => {
    writeManifests(folder, chainFiles(1));
    const home = process.cwd();
    process.chdir(folder);
    try {
      writeManifests(".", chainFiles(2));
      expect(contentOf(".")).toEqual(textsOf(chainFiles(2)));
      expect(contentOf(folder)).toEqual(textsOf(chainFiles(2)));
    } finally {
      process.chdir(home);
    }
  });

  test.skipIf(!CAN_MOUNT)("may be a mount point", () => {
    expect(mount(folder, "size=4m")).toBe(true);
    try {
      writeManifests(folder, chainFiles(4));
      writeManifests(folder, chainFiles(3, "example/link:2"));
      expect(contentOf(folder)).toEqual(textsOf(chainFiles(3, "example/link:2")));
      expect(readdirSync(top)).toEqual(["manifests"]);
    } finally {
      Bun.spawnSync(["umount", folder]);
    }
  });
});

describe("a failed run changes nothing", () => {
  test("when not every file can be created", () => {
    writeManifests(folder, chainFiles(2));
    const before = contentOf(top);
    const breakOff = (name: string) => {
      if (name === "loadgenerator-pod.yaml") throw new Error("no more");
    };
    const write = (path: string) => writeManifests(path, chainFiles(1, "example/link:2"), breakOff);
    expect(() => write(folder)).toThrow("no more");
    expect(contentOf(top)).toEqual(before);
    expect(readdirSync(top)).toEqual(["manifests"]);
    expect(() => write(join(top, "x", "y", "z"))).toThrow("no more");
    expect(readdirSync(top)).toEqual(["manifests"]);
  });

  test("when a parent in the path is a file", () => {
    writeFileSync(folder, "a file");
    for (const path of [folder, join(folder, "sub")]) {
      const failure = failureOf(() => writeManifests(path, chainFiles(1)));
      expect(failure.code).toBe("file-unwritable");
      expect(failure.message).toStartWith(`cannot write to ${path}: `);
      expect(failure.message).toContain("not a folder");
      expect(failure.hint).toContain("--output-directory");
    }
    expect(contentOf(top)).toEqual({ manifests: "a file" });
  });

  test("when symbolic links in the path form a cycle", () => {
    symlinkSync(join(top, "other"), folder);
    symlinkSync(folder, join(top, "other"));
    expect(failureOf(() => writeManifests(folder, chainFiles(1))).message).toContain("round in a circle");
    expect(readdirSync(top).sort()).toEqual(["manifests", "other"]);
  });

  test.skipIf(!CAN_MOUNT)("when the disk is full", () => {
    const disk = join(top, "disk");
    expect(mount(disk, "size=256k")).toBe(true);
    try {
      const path = join(disk, "new", "manifests");
      const failure = failureOf(() => writeManifests(path, chainFiles(100)));
      expect(failure.message).toBe(`cannot write to ${path}: no space left on the device`);
      expect(readdirSync(disk)).toEqual([]);
      for (const kept of ["", "kept.txt"]) {
        writeManifests(path, chainFiles(3));
        if (kept !== "") writeFileSync(join(path, kept), "theirs");
        const before = contentOf(disk);
        failureOf(() => writeManifests(path, chainFiles(100)));
        expect(contentOf(disk)).toEqual(before);
        expect(readdirSync(dirname(path))).toEqual(["manifests"]);
      }
    } finally {
      Bun.spawnSync(["umount", disk]);
    }
  });

  test.skipIf(!CAN_MOUNT)("when the file system is read-only", () => {
    const disk = join(top, "disk");
    expect(mount(disk, "size=1m")).toBe(true);
    try {
      writeManifests(join(disk, "manifests"), chainFiles(1));
      expect(Bun.spawnSync(["mount", "-o", "remount,ro", disk]).success).toBe(true);
      for (const name of ["manifests", "other"]) {
        const path = join(disk, name);
        expect(failureOf(() => writeManifests(path, chainFiles(2))).message).toBe(
          `cannot write to ${path}: the file system is read-only`,
        );
      }
    } finally {
      Bun.spawnSync(["umount", disk]);
    }
  });

  test("when the folder belongs to somebody else", () => {
    mkdirSync(folder);
    chmodSync(top, 0o555);
    chmodSync(folder, 0o555);
    // Nothing is forbidden to root, so it becomes nobody for a moment.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      expect(failureOf(() => writeManifests(folder, chainFiles(1))).message).toBe(
        `cannot write to ${folder}: permission denied`,
      );
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(top, 0o755);
    }
  });
});

test.skipIf(!CAN_MOUNT)(
  "a file that cannot be replaced leaves each file old or new, and the same run again completes them",
  () => {
    const [before, after] = [chainFiles(4), chainFiles(5, "example/link:2")];
    writeManifests(folder, before);
    const pinned = join(folder, "loadgenerator-pod.yaml");
    expect(Bun.spawnSync(["mount", "--bind", pinned, pinned]).success).toBe(true);
    try {
      const failure = failureOf(() => writeManifests(folder, after));
      expect(failure.message).toStartWith(`cannot write to ${folder}: EBUSY`);
      expect(failure.hint).toContain("run the same command again");
    } finally {
      Bun.spawnSync(["umount", pinned]);
    }
    const [old, wanted] = [textsOf(before), textsOf(after)];
    for (const [name, text] of Object.entries(contentOf(folder)))
      expect([old[name], wanted[name]]).toContain(text);
    writeManifests(folder, after);
    expect(contentOf(top)).toEqual(placed(after));
  },
);

describe("a killed run", () => {
  test("leaves old files intact, and no partial file that kubectl reads", async () => {
    writeManifests(folder, chainFiles(2));
    const before = contentOf(folder);
    await run(folder, "5", "7");
    const manifests = Object.entries(contentOf(folder)).filter(([name]) => /\.(json|ya?ml)$/.test(name));
    expect(Object.fromEntries(manifests)).toEqual(before);
    expect(readdirSync(folder).length).toBeGreaterThan(manifests.length);
    writeManifests(folder, chainFiles(3));
    expect(contentOf(top)).toEqual(placed(chainFiles(3)));
  });

  test("is distinguished from a run in progress", async () => {
    const sleeper = Bun.spawn(["sleep", "60"]);
    await run(folder, "1", "1");
    const left = readdirSync(folder)[0] ?? "";
    const alive = left.replace(/-\d+-/, `-${sleeper.pid}-`);
    renameSync(join(folder, left), join(folder, alive));
    writeManifests(folder, chainFiles(1));
    expect(existsSync(join(folder, alive))).toBe(true);
    sleeper.kill();
    await sleeper.exited;
    writeManifests(folder, chainFiles(1));
    expect(contentOf(top)).toEqual(placed(chainFiles(1)));
  });
});

test("of concurrent runs, the files of one remain or a run fails with an error", async () => {
  mkdirSync(folder);
  writeFileSync(join(folder, "theirs.txt"), "theirs");
  const up = Array.from({ length: 10 }, (_, index) => 2 + (index % 7)).join(",");
  const down = Array.from({ length: 10 }, (_, index) => 30 - (index % 7)).join(",");
  const ends = await Promise.all([up, down, up, down].map((lengths) => run(folder, lengths)));
  const failed = ends.filter(({ exitCode }) => exitCode !== 0);
  for (const { stderr } of failed) expect(stderr).toContain("at the same time");
  if (failed.length > 0) writeManifests(folder, chainFiles(3, "example/link:3"));
  const { "theirs.txt": theirs, ...content } = contentOf(folder);
  expect(theirs).toBe("theirs");
  const instances = (Object.keys(content).length - 5) / 2;
  expect(content).toEqual(textsOf(chainFiles(instances, `example/link:${instances}`)));
}, 30_000);

test("a run overtaken by another one ends with only its own files", () => {
  let isFirst = true;
  writeManifests(folder, chainFiles(1), () => {
    if (isFirst) writeManifests(folder, chainFiles(2, "example/link:2"));
    isFirst = false;
  });
  expect(contentOf(top)).toEqual(placed(chainFiles(1)));
});

describe("another user of the machine cannot", () => {
  const isRoot = process.geteuid?.() === 0;
  const asNobody = (work: () => void) => {
    process.seteuid?.(NOBODY);
    try {
      work();
    } finally {
      process.seteuid?.(0);
    }
  };
  const victim = () => join(top, "victim");

  beforeEach(() => {
    mkdirSync(victim());
    writeFileSync(join(victim(), "stays.txt"), "stays");
    chmodSync(top, 0o777);
  });

  test.skipIf(!isRoot).each([
    ["a folder", () => mkdirSync(folder)],
    ["a link", () => symlinkSync("victim", folder)],
    ["a link on the way", () => symlinkSync("victim", join(top, "way"))],
  ])("lead us into %s that they put into a shared folder", (_what, plant) => {
    asNobody(plant);
    const path = existsSync(join(top, "way")) ? join(top, "way", "manifests") : folder;
    const failure = failureOf(() => writeManifests(path, chainFiles(1)));
    expect(failure.message).toContain("belongs to another user (uid 65534)");
    expect(contentOf(victim())).toEqual({ "stays.txt": "stays" });
  });

  test("redirect a run by replacing the folder with a symbolic link", () => {
    let isFirst = true;
    writeManifests(folder, chainFiles(1), () => {
      if (!isFirst) return;
      isFirst = false;
      renameSync(folder, join(top, "moved"));
      symlinkSync("victim", folder);
    });
    expect(contentOf(victim())).toEqual({ "stays.txt": "stays" });
    expect(contentOf(join(top, "moved"))).toEqual(textsOf(chainFiles(1)));
  });

  test("make a run follow a symbolic link, block on a pipe or keep a planted file", () => {
    const [namespace, list, pod, ...others] = chainFiles(1);
    mkdirSync(folder);
    symlinkSync("../victim/stays.txt", join(folder, namespace?.name ?? ""));
    expect(Bun.spawnSync(["mkfifo", join(folder, list?.name ?? "")]).success).toBe(true);
    writeFileSync(join(top, "same"), pod?.text ?? "");
    symlinkSync("../same", join(folder, pod?.name ?? ""));
    writeManifests(folder, chainFiles(1));
    expect(contentOf(folder)).toEqual(textsOf(chainFiles(1)));
    expect(contentOf(victim())).toEqual({ "stays.txt": "stays" });
    expect(others.length).toBeGreaterThan(0);
  });

  test.skipIf(!isRoot)("remain the owner of a manifest that they created first", () => {
    mkdirSync(folder, { mode: 0o700 });
    const [first] = chainFiles(1);
    const path = join(folder, first?.name ?? "");
    writeFileSync(path, first?.text ?? "");
    chownSync(path, NOBODY, NOBODY);
    writeManifests(folder, chainFiles(1));
    expect(statSync(path).uid).toBe(0);
  });

  test("make a run restore a fake staging folder of an earlier version", () => {
    writeManifests(folder, chainFiles(1));
    const planted = join(top, ".manifests.chain-link-run-00000000-999999-0123456789ab", "old");
    mkdirSync(planted, { recursive: true });
    writeFileSync(join(planted, "evil-deployment.yaml"), "kind: Deployment\n");
    writeManifests(folder, chainFiles(2));
    expect(contentOf(folder)).toEqual(textsOf(chainFiles(2)));
  });
});
