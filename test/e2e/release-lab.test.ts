import { expect, test } from "bun:test";
import { describeReleases } from "../helpers/describe-lab.ts";
import { emptyTopology, PAUSE_IMAGE } from "../helpers/release.ts";

const CHAIN = ["--chain-link-image", PAUSE_IMAGE, "--wait=false"];

describeReleases("releases on a real API server", (benches) => {
  const { lab } = benches;

  test("a chain is installed, lengthened, shortened, rolled back and deleted", async () => {
    const bench = benches.open("release-journey");
    const preview = await bench.run("dry-run", "--instances", "3");
    expect(preview.exitCode).toBe(1);
    expect(preview.stdout).toContain("11 to create, 0 to change, 0 to delete, 0 unchanged");

    const first = await bench.run("deploy", "--instances", "3", ...CHAIN);
    expect(first.stderr).toContain(
      `Created Deployment 'chain-link-deployment-2' in namespace '${bench.namespace}'`,
    );
    expect(first.exitCode).toBe(0);
    const installed = await bench.list();
    expect(installed).toContain("ConfigMap/chain-link.chain-link");
    expect(installed).toContain("Secret/chain-link.chain-link.v1");
    expect(installed).not.toContain("Lease/chain-link.chain-link");

    const again = await bench.run("deploy", "--instances", "3", ...CHAIN, "-o", "json");
    expect(JSON.parse(again.stdout)).toMatchObject({
      revision: 1,
      created: 0,
      updated: 0,
      unchanged: 10,
      deleted: 0,
    });
    expect((await bench.run("dry-run", "--instances", "3", ...CHAIN.slice(0, 2))).exitCode).toBe(0);

    const longer = await bench.run("deploy", "--instances", "5", ...CHAIN, "-o", "json");
    expect(JSON.parse(longer.stdout)).toMatchObject({ revision: 2, created: 4, updated: 4, unchanged: 6 });
    const shorter = await bench.run("deploy", "--instances", "2", ...CHAIN, "-o", "json");
    expect(JSON.parse(shorter.stdout)).toMatchObject({ revision: 3, deleted: 6, updated: 3 });
    expect(await bench.list()).not.toContain("Deployment/chain-link-deployment-2");

    const back = await bench.run("rollback", "1", "--wait=false", "-o", "json");
    expect(JSON.parse(back.stdout)).toMatchObject({ revision: 4, created: 2 });
    const members = (names: string[]) => names.filter((name) => !name.startsWith("Secret/"));
    expect(members(await bench.list())).toEqual(members(installed));
    const history = JSON.parse((await bench.run("history", "-o", "json")).stdout);
    expect(history.map(({ status }: { status: string }) => status)).toEqual([
      "superseded",
      "superseded",
      "superseded",
      "deployed",
    ]);
    expect(history[3].inputs).toMatchObject({ links: 3, note: "rollback to 1" });

    const status = JSON.parse((await bench.run("status", "-o", "json")).stdout);
    expect(status).toMatchObject({ revision: 4, status: "deployed" });
    expect(status.links.map(({ name }: { name: string }) => name)).toContain("chain-link-deployment-2");

    const gone = await bench.run("delete", "--delete-namespace");
    expect(gone.exitCode).toBe(0);
    expect((await lab.kubectl(["get", "namespace", bench.namespace], { mayFail: true })).exitCode).toBe(1);
    const twice = await bench.run("delete");
    expect(twice).toMatchObject({ exitCode: 1 });
    expect(twice.stderr).toContain("there is no release");
  }, 120_000);

  test("deploy waits until all objects are ready; validate reports it, and fails if one is not ready", async () => {
    const bench = benches.open("release-ready");
    const file = bench.topology(emptyTopology(2));
    const deployed = await bench.run("deploy", file, "--chain-link-image", PAUSE_IMAGE);
    expect(deployed.stderr).toContain("is deployed and ready");
    expect(deployed.exitCode).toBe(0);
    const valid = await bench.run("validate");
    expect(valid.exitCode).toBe(0);
    const texts = valid.stderr.split("\n").filter((line) => line !== "");
    expect(texts.slice(-7).map((line) => line.slice(9))).toEqual([
      "Validating deployments...",
      "Deployments ready",
      "Validating pods...",
      "Pods ready",
      "Validating services and configuration...",
      "Services and configuration ready",
      "All objects ready",
    ]);
    await lab.kubectl(["delete", "service", "s1", "-n", bench.namespace]);
    const invalid = await bench.run("validate");
    expect(invalid.exitCode).toBe(1);
    expect(invalid.stderr).toContain("Service 's1' is not ready: is not there");
    expect(invalid.stderr).not.toContain("All objects ready");
  }, 120_000);

  test("a release that does not become ready reports why on one screen and is rolled back", async () => {
    const bench = benches.open("release-failing");
    const file = bench.topology(emptyTopology(1));
    const good = await bench.run("deploy", file, "--chain-link-image", PAUSE_IMAGE);
    expect(good.exitCode).toBe(0);
    const bad = await bench.run(
      ...["deploy", file, "--chain-link-image", "nowhere.example/nothing:1"],
      ...["--timeout", "8s", "--rollback-on-failure"],
    );
    expect(bad.exitCode).toBe(1);
    expect(bad.stderr).toMatch(/Pod loadgenerator: is starting\n {4}(ErrImagePull|ImagePullBackOff)/);
    expect(bad.stderr).toContain("The image cannot be pulled");
    expect(bad.stderr).toContain("Rolled back to revision 1");
    const { spec } = await lab.query("get", "pod", "loadgenerator", "-n", bench.namespace);
    expect(spec.containers[0].image).toBe(PAUSE_IMAGE);
    const history = JSON.parse((await bench.run("history", "-o", "json")).stdout);
    expect(history.map(({ status }: { status: string }) => status)).toEqual([
      "superseded",
      "failed",
      "deployed",
    ]);
    expect(history[1].reason).toContain("loadgenerator");
  }, 120_000);

  test("a first release that fails is removed", async () => {
    const bench = benches.open("release-nothing");
    const file = bench.topology(emptyTopology(1));
    const image = ["--chain-link-image", "nowhere.example/nothing:1"];
    const bad = await bench.run("deploy", file, ...image, "--timeout", "3s", "--rollback-on-failure");
    expect(bad.exitCode).toBe(1);
    expect(bad.stderr).toContain("Removed everything that this first deploy created");
    expect(await bench.list()).toEqual([]);
  }, 120_000);

  test("a failed deploy without a change is not rolled back", async () => {
    const bench = benches.open("release-unchanged");
    const deploy = ["deploy", bench.topology(emptyTopology(1)), "--chain-link-image", PAUSE_IMAGE];
    await bench.run(...deploy, "--wait=false");
    await lab.kubectl(["scale", "deployment/s0", "--replicas=1", "-n", bench.namespace]);
    const failed = await bench.run(...deploy, "--timeout", "3s", "--rollback-on-failure");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("Revision 1 failed");
    expect(failed.stderr).not.toContain("Rolling back");
    const history = JSON.parse((await bench.run("history", "-o", "json")).stdout);
    expect(history.map(({ status }: { status: string }) => status)).toEqual(["deployed"]);
  }, 120_000);
});
