import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { REQUIRED_RULES } from "../../src/kubernetes/release/rights.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { hasLab, LAB_NOTE, LAB_START_MS, type Lab, startLab, stopLab } from "../helpers/lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

const CHAIN = ["--chain-link-image", PAUSE_IMAGE, "--wait=false"];

describe.skipIf(!hasLab)(`releases on a real API server${LAB_NOTE}`, () => {
  let lab: Lab;
  const made: ReleaseBench[] = [];

  beforeAll(async () => {
    lab = await startLab();
  }, LAB_START_MS);

  afterAll(async () => {
    for (const bench of made) {
      await bench.removeNamespace("--wait=false");
      bench[Symbol.dispose]();
    }
    await stopLab();
  }, LAB_START_MS);

  async function open(namespace: string, kubeconfig?: string): Promise<ReleaseBench> {
    const bench = new ReleaseBench(lab, namespace, kubeconfig ?? lab.kubeconfig);
    if (kubeconfig === undefined) await bench.removeNamespace();
    made.push(bench);
    return bench;
  }

  test("a chain is installed, made longer and shorter, rolled back and deleted", async () => {
    const bench = await open("release-journey");
    const preview = await bench.run("dry-run", "--instances", "3");
    expect(preview.exitCode).toBe(1);
    expect(preview.stdout).toContain("11 to create, 0 to change, 0 to delete, 0 unchanged");

    const first = await bench.run("deploy", "--instances", "3", ...CHAIN);
    expect(first.stderr).toContain(
      `Created Deployment 'chain-link-deployment-2' in namespace 'release-journey'`,
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
    expect(JSON.parse(longer.stdout)).toMatchObject({ revision: 2, created: 4, updated: 1, unchanged: 9 });
    const shorter = await bench.run("deploy", "--instances", "2", ...CHAIN, "-o", "json");
    expect(JSON.parse(shorter.stdout)).toMatchObject({ revision: 3, deleted: 6, updated: 1 });
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
    expect((await lab.kubectl(["get", "namespace", "release-journey"], { mayFail: true })).exitCode).toBe(1);
    const twice = await bench.run("delete");
    expect(twice).toMatchObject({ exitCode: 1 });
    expect(twice.stderr).toContain("there is no release");
  }, 120_000);

  test("deploy waits until all is ready; validate says so and fails when something is not", async () => {
    const bench = await open("release-ready");
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

  test("a release that does not become ready says why on one screen, and goes back", async () => {
    const bench = await open("release-failing");
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
    expect(bad.stderr).toContain("Revision 1 was applied again");
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

  test("a first release that fails goes back to nothing", async () => {
    const bench = await open("release-nothing");
    const file = bench.topology(emptyTopology(1));
    const image = ["--chain-link-image", "nowhere.example/nothing:1"];
    const bad = await bench.run("deploy", file, ...image, "--timeout", "3s", "--rollback-on-failure");
    expect(bad.exitCode).toBe(1);
    expect(bad.stderr).toContain("Removed what this first deploy had made");
    expect(await bench.list()).toEqual([]);
  }, 120_000);

  test("what kubectl changed is named with its manager; a scaled Deployment is left alone", async () => {
    const bench = await open("release-conflicts");
    await bench.run("deploy", "--instances", "3", ...CHAIN);
    const place = ["-n", bench.namespace];
    await lab.kubectl(["scale", "deployment/chain-link-deployment-0", "--replicas=2", ...place]);
    const same = await bench.run("deploy", "--instances", "3", ...CHAIN, "-o", "json");
    expect(JSON.parse(same.stdout)).toMatchObject({ updated: 0, unchanged: 10 });
    const scaled = await lab.query("get", "deployment", "chain-link-deployment-0", ...place);
    expect(scaled.spec.replicas).toBe(2);

    await lab.kubectl(["set", "image", "deployment/chain-link-deployment-1", "chain-link=other:1", ...place]);
    const data = JSON.stringify({ data: { "services.json": "[]" } });
    const patch = [
      "patch",
      "configmap",
      "chain-link-services",
      "--field-manager=somebody",
      "-p",
      data,
      ...place,
    ];
    await lab.kubectl(patch);
    const before = await bench.list();
    const conflict = await bench.run("deploy", "--instances", "4", ...CHAIN);
    expect(conflict.exitCode).toBe(1);
    expect(conflict.stderr).toContain("2 problems; nothing was changed");
    expect(conflict.stderr).toContain(
      'ConfigMap chain-link-services: .data.services.json was changed by "somebody"',
    );
    expect(conflict.stderr).toMatch(
      /Deployment chain-link-deployment-1: \.spec.*image was changed by "kubectl-set"/,
    );
    expect(await bench.list()).toEqual(before);
    expect((await bench.run("dry-run", "--instances", "4", ...CHAIN.slice(0, 2))).exitCode).toBe(3);

    const forced = await bench.run("deploy", "--instances", "4", ...CHAIN, "--force-conflicts");
    expect(forced.exitCode).toBe(0);
    const { spec } = await lab.query("get", "deployment", "chain-link-deployment-1", ...place);
    expect(spec.template.spec.containers[0].image).toBe(PAUSE_IMAGE);
  }, 120_000);

  test("objects of others, and of another release, are refused, all at once; --take-ownership takes the first", async () => {
    const bench = await open("release-foreign");
    const place = ["-n", bench.namespace];
    await lab.kubectl(["create", "namespace", bench.namespace]);
    await lab.kubectl(["create", "configmap", "chain-link-services", "--from-literal=a=b", ...place]);
    await lab.kubectl(["create", "service", "clusterip", "zipkin-service", "--tcp=80:80", ...place]);
    const before = await bench.list();
    const refused = await bench.run("deploy", ...CHAIN);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("2 problems; nothing was changed");
    expect(refused.stderr).toContain("Service zipkin-service: exists and is not part of this release");
    expect(await bench.list()).toEqual(before);
    expect((await bench.run("deploy", ...CHAIN, "--take-ownership")).exitCode).toBe(0);

    const second = await bench.run("deploy", "--release", "second", ...CHAIN, "--take-ownership");
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain('belongs to release "chain-link"');

    const deleted = await bench.run("delete", "--delete-namespace", "--wait=false");
    expect(deleted.exitCode).toBe(1);
    expect(deleted.stderr).toContain("this release did not make it");
  }, 120_000);

  test("kubectl's own apply --prune refuses the set, because it is ours", async () => {
    const bench = await open("release-applyset");
    await bench.run("deploy", "--instances", "1", ...CHAIN);
    const set = ["--applyset=configmap/chain-link.chain-link", "-n", bench.namespace];
    const input = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "intruder" } });
    const program = ["apply", "--server-side", "--prune", ...set, "-f", "-"];
    const { exitCode, stderr } = await lab.kubectl(program, {
      input,
      mayFail: true,
      env: { KUBECTL_APPLYSET: "true" },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("tooling");
    expect(await bench.list()).not.toContain("ConfigMap/intruder");
  }, 60_000);

  describe("with the rights of the documented Role and no more", () => {
    test.each([true, false])(
      "a namespace that exists is enough (all rights: %p)",
      async (isComplete) => {
        const admin = await open(`release-role-${isComplete ? "full" : "less"}`);
        const { namespace } = admin;
        await lab.kubectl(["create", "namespace", namespace]);
        using folder = temporaryFolder();
        const kubeconfig = await createUser(namespace, folder.path, isComplete ? [] : ["leases", "pods"]);
        const bench = await open(namespace, kubeconfig);
        const file = bench.topology(emptyTopology(1));
        const deployed = await bench.run("deploy", file, "--chain-link-image", PAUSE_IMAGE);
        if (!isComplete) {
          expect(deployed.exitCode).toBe(1);
          expect(deployed.stderr).toContain("leases.coordination.k8s.io: create, delete");
          expect(deployed.stderr).toContain("pods: create, delete");
          expect(await admin.list()).toEqual([]);
          return;
        }
        expect(deployed.stderr).toContain("is deployed and ready");
        expect((await bench.run("validate")).exitCode).toBe(0);
        expect((await bench.run("rollback")).stderr).toContain("no revision before 1");
        expect((await bench.run("delete")).exitCode).toBe(0);
        expect(await admin.list()).toEqual([]);
      },
      120_000,
    );

    /** A service account with our rules; of some resources it may not create and delete. */
    async function createUser(
      namespace: string,
      folder: string,
      limited: readonly string[],
    ): Promise<string> {
      const rules = REQUIRED_RULES.flatMap(({ group, resources, verbs }) =>
        resources.map((resource) => ({
          apiGroups: [group],
          resources: [resource],
          verbs: limited.includes(resource)
            ? verbs.filter((verb) => verb !== "create" && verb !== "delete")
            : verbs,
        })),
      );
      const metadata = { name: "deployer", namespace };
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "deployer" };
      const objects = [
        { apiVersion: "v1", kind: "ServiceAccount", metadata },
        { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata, rules },
        {
          ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata, roleRef },
          subjects: [{ kind: "ServiceAccount", ...metadata }],
        },
      ];
      const input = objects.map((object) => JSON.stringify(object)).join("\n---\n");
      await lab.kubectl(["apply", "-f", "-"], { input });
      const { stdout } = await lab.kubectl(["create", "token", "deployer", "-n", namespace]);
      const config = JSON.parse((await lab.kubectl(["config", "view", "--raw", "-o", "json"])).stdout);
      const path = join(folder, "kubeconfig");
      const users = [{ name: config.users[0].name, user: { token: stdout.trim() } }];
      writeFileSync(path, JSON.stringify({ ...config, users }));
      return path;
    }
  });

  test("of two deploys at the same moment one wins, the other says who holds the lock", async () => {
    const bench = await open("release-race");
    await lab.kubectl(["create", "namespace", bench.namespace]);
    // A wait that does not end keeps the lock.
    const slow = bench.run("deploy", "--chain-link-image", PAUSE_IMAGE, "--timeout", "20s");
    await waitFor(async () => (await bench.list()).includes("Lease/chain-link.chain-link"));
    const other = await bench.run("deploy", "--instances", "4", ...CHAIN);
    expect(other.exitCode).toBe(1);
    expect(other.stderr).toMatch(/is being changed by \S+ on \S+ \(process \d+\)/);
    expect((await slow).exitCode).toBe(1);
    expect(await bench.list()).not.toContain("Deployment/chain-link-deployment-3");
  }, 120_000);

  test("Ctrl-C ends a deploy cleanly; the next one goes on, though the first was killed", async () => {
    const bench = await open("release-interrupted");
    const args = bench.arguments(["deploy", "--chain-link-image", PAUSE_IMAGE]);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const child = Bun.spawn([join(import.meta.dir, "../../bin/chain-link"), ...args], { stderr: "pipe" });
      await waitFor(async () => (await bench.list()).includes("Pod/loadgenerator"));
      child.kill(signal);
      const exitCode = await child.exited;
      if (signal === "SIGINT") {
        expect(exitCode).toBe(130);
        expect(await child.stderr.text()).toContain("The same command goes on from here");
        expect(await bench.list()).not.toContain("Lease/chain-link.chain-link");
        await lab.kubectl(["delete", "pod", "loadgenerator", "-n", bench.namespace]);
      }
    }
    const next = await bench.run("deploy", ...CHAIN);
    expect(next.exitCode).toBe(0);
    expect(next.stderr).toContain("was interrupted; going on");
    const history = JSON.parse((await bench.run("history", "-o", "json")).stdout);
    expect(history.map(({ status }: { status: string }) => status)).toEqual([
      "interrupted",
      "interrupted",
      "deployed",
    ]);
  }, 120_000);

  test("a quota that is used up, a namespace that is being deleted and a revision that is gone are told", async () => {
    const bench = await open("release-trouble");
    const place = ["-n", bench.namespace];
    await lab.kubectl(["create", "namespace", bench.namespace]);
    await lab.kubectl(["create", "quota", "few", "--hard=services=2", ...place]);
    await waitFor(async () => {
      const { status } = await lab.query("get", "quota", "few", ...place);
      return status?.hard?.services === "2";
    });
    const full = await bench.run("deploy", "--instances", "4", ...CHAIN);
    expect(full.exitCode).toBe(1);
    expect(full.stderr).toContain("exceeded quota");
    await lab.kubectl(["delete", "quota", "few", ...place]);
    expect((await bench.run("deploy", "--instances", "4", ...CHAIN)).exitCode).toBe(0);

    await lab.kubectl(["delete", "secret", "chain-link.chain-link.v1", ...place]);
    const lost = await bench.run("rollback", "1", "--wait=false");
    expect(lost.exitCode).toBe(1);
    expect(lost.stderr).toContain("no revision 1");

    const pod = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "stays", finalizers: ["chain-link.dev/test"] },
    };
    await lab.kubectl(["create", "-f", "-", ...place], { input: JSON.stringify(pod) });
    await lab.kubectl(["delete", "namespace", bench.namespace, "--wait=false"]);
    try {
      const ending = await bench.run("deploy", "--instances", "5", ...CHAIN);
      expect(ending.exitCode).toBe(1);
      expect(ending.stderr).toContain("is being deleted");
    } finally {
      const none = JSON.stringify({ metadata: { finalizers: null } });
      await lab.kubectl(["patch", "configmap", "stays", "--type=merge", "-p", none, ...place]);
    }
  }, 120_000);

  async function waitFor(isSo: () => Promise<boolean>): Promise<void> {
    const giveUpAtMs = Date.now() + 30_000;
    while (!(await isSo())) {
      if (Date.now() > giveUpAtMs) throw new Error("what the test waits for did not happen");
      await Bun.sleep(200);
    }
  }
});
