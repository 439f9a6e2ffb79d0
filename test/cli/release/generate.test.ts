import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const SHOP = join(import.meta.dir, "../../../examples/shop.yaml");

function generate(home: string, args: readonly string[]) {
  return runCli(["generate", "--config-file", join(home, "c.conf"), ...args], { env: { HOME: home } });
}

describe("generate", () => {
  test("writes the original's 2N+5 files to the original's folder, with its log lines", async () => {
    using home = temporaryFolder();
    const { exitCode, stdout, stderr } = await generate(home.path, ["--instances", "2"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
    const names = [
      "chain-link-namespace.yaml",
      "chain-link-services-configmap.yaml",
      "zipkin-deployment-deployment.yaml",
      "zipkin-service-service.yaml",
      "chain-link-deployment-0-deployment.yaml",
      "chain-link-deployment-1-deployment.yaml",
      "chain-link-service-0-service.yaml",
      "chain-link-service-1-service.yaml",
      "loadgenerator-pod.yaml",
    ];
    expect(stderr.split("\n").slice(2)).toEqual([
      "INFO     Using the following configuration...",
      "INFO     Number of instances: 2",
      "INFO     Namespace: chain-link",
      expect.stringMatching(/^INFO {5}ChainLink image: \S+:\d+\.\d+\.\d+$/),
      "INFO     Loadgenerator sleep time: 60",
      "INFO     Generating chain-link kubernetes yaml...",
      ...names.map((name) => `INFO     Writing manifest ${name} into ~/.config/chain-link/manifests`),
      "",
    ]);
    expect(readdirSync(join(home.path, ".config/chain-link/manifests")).sort()).toEqual(names.toSorted());
  });

  test("a shorter chain removes the files of the longer one, and nothing else", async () => {
    using home = temporaryFolder();
    const folder = join(home.path, "out");
    await generate(home.path, ["--instances", "4", "--output-directory", folder]);
    writeFileSync(join(folder, "mine.yaml"), "kind: Mine\n");
    mkdirSync(join(folder, "sub"));
    const { stderr } = await generate(home.path, ["--instances", "3", "--output-directory", folder]);
    expect(readdirSync(folder)).toHaveLength(2 * 3 + 5 + 2);
    expect(readFileSync(join(folder, "mine.yaml"), "utf8")).toBe("kind: Mine\n");
    for (const gone of ["chain-link-deployment-3-deployment.yaml", "chain-link-service-3-service.yaml"]) {
      expect(stderr).toContain(`INFO     Removed obsolete manifest ${gone} from ${folder}`);
    }
  });

  test("the streams hold the same objects as the files, and the same bytes each time", async () => {
    using home = temporaryFolder();
    const folder = join(home.path, "out");
    await generate(home.path, [SHOP, "--output-directory", folder]);
    const files = readdirSync(folder).map((name) => loadAll(readFileSync(join(folder, name), "utf8"))[0]);
    const yaml = await generate(home.path, [SHOP, "-o", "yaml"]);
    const json = await generate(home.path, [SHOP, "-o", "json"]);
    const byName = (objects: unknown[]) => objects.map((object) => JSON.stringify(object)).sort();
    expect(byName(loadAll(yaml.stdout))).toEqual(byName(files));
    expect(JSON.parse(json.stdout).items).toEqual(loadAll(yaml.stdout));
    expect((await generate(home.path, [SHOP, "-o", "yaml"])).stdout).toBe(yaml.stdout);
  });

  test("needs no kube config and contacts nothing", async () => {
    using home = temporaryFolder();
    const { exitCode } = await runCli(["generate", "-o", "yaml"], {
      env: { HOME: home.path, KUBECONFIG: join(home.path, "none") },
    });
    expect(exitCode).toBe(0);
  });

  test("a folder that cannot be created is one error line", async () => {
    using home = temporaryFolder();
    writeFileSync(join(home.path, "file"), "stays");
    const { exitCode, stderr } = await generate(home.path, [
      "--output-directory",
      join(home.path, "file/sub"),
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`cannot write to ${home.path}/file/sub`);
    expect(stderr).toContain("--output-directory");
    expect(readFileSync(join(home.path, "file"), "utf8")).toBe("stays");
  });
});
