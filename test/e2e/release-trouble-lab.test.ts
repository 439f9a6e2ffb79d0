import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { REQUIRED_RULES } from "../../src/kubernetes/release/rights.ts";
import { ApiProxy } from "../helpers/api-proxy.ts";
import { EXECUTABLE, temporaryFolder } from "../helpers/cli.ts";
import { describeReleases } from "../helpers/describe-lab.ts";
import { emptyTopology, PAUSE_IMAGE, ReleaseBench } from "../helpers/release.ts";

const CHAIN = ["--chain-link-image", PAUSE_IMAGE, "--wait=false"];

describeReleases("releases with obstacles", (benches) => {
  const { lab } = benches;

  describe("with only the rights of the documented Role", () => {
    test.each([true, false])(
      "a deploy into an existing namespace works (all rights: %p)",
      async (isComplete) => {
        const admin = benches.open(`release-role-${isComplete ? "full" : "less"}`);
        const { namespace } = admin;
        await lab.kubectl(["create", "namespace", namespace]);
        using folder = temporaryFolder();
        const kubeconfig = await createUser(namespace, folder.path, isComplete ? [] : ["leases", "pods"]);
        const bench = benches.reopen(admin, kubeconfig);
        const file = bench.topology(emptyTopology(1));
        const deployed = await bench.run("deploy", file, "--chain-link-image", PAUSE_IMAGE);
        if (!isComplete) {
          expect(deployed.exitCode).toBe(1);
          expect(deployed.stderr).toContain("leases.coordination.k8s.io: create, delete");
          expect(deployed.stderr).toContain("pods: create, delete");
          expect(await admin.list()).toEqual([]);
          expect((await admin.run("deploy", file, ...CHAIN)).exitCode).toBe(0);
          const before = await admin.list();
          const kept = await bench.run("delete");
          expect(kept.exitCode).toBe(1);
          expect(kept.stderr).toContain("leases.coordination.k8s.io: create, delete");
          expect(kept.stderr).toContain("pods: delete\n");
          expect(await admin.list()).toEqual(before);
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

    /** Creates a service account with our rules, except for creating and deleting some resources. */
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

  test("one of two concurrent deploys wins, and the other one reports who holds the lock", async () => {
    const bench = benches.open("release-race");
    await lab.kubectl(["create", "namespace", bench.namespace]);
    // A wait that does not end holds the lock.
    const slow = bench.run("deploy", "--chain-link-image", PAUSE_IMAGE, "--timeout", "20s");
    await waitFor(async () => (await bench.list()).includes("Lease/chain-link.chain-link"));
    const other = await bench.run("deploy", "--instances", "4", ...CHAIN);
    expect(other.exitCode).toBe(1);
    expect(other.stderr).toMatch(/is being changed by \S+ on \S+ \(process \d+\)/);
    expect((await slow).exitCode).toBe(1);
    expect(await bench.list()).not.toContain("Deployment/chain-link-deployment-3");
  }, 120_000);

  test("Ctrl-C stops a deploy cleanly, and the next deploy resumes, even after a kill", async () => {
    const bench = benches.open("release-interrupted");
    const args = bench.arguments(["deploy", "--chain-link-image", PAUSE_IMAGE]);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const child = Bun.spawn([EXECUTABLE, ...args], { stderr: "pipe" });
      await waitFor(async () => (await bench.list()).includes("Pod/loadgenerator"));
      child.kill(signal);
      const exitCode = await child.exited;
      if (signal === "SIGINT") {
        expect(exitCode).toBe(130);
        expect(await child.stderr.text()).toContain("Run the same command again to resume");
        expect(await bench.list()).not.toContain("Lease/chain-link.chain-link");
        await lab.kubectl(["delete", "pod", "loadgenerator", "-n", bench.namespace]);
      }
    }
    const next = await bench.run("deploy", ...CHAIN);
    expect(next.exitCode).toBe(0);
    expect(next.stderr).toContain("was interrupted; resuming it");
    const history = JSON.parse((await bench.run("history", "-o", "json")).stdout);
    expect(history.map(({ status }: { status: string }) => status)).toEqual([
      "interrupted",
      "interrupted",
      "deployed",
    ]);
  }, 120_000);

  test("a second Ctrl-C stops at once, whatever is in flight", async () => {
    const bench = benches.open("release-second");
    // The proxy stops answering, so that calls in flight do not end by themselves.
    const proxy = await ApiProxy.start(lab.kubeconfig, { onAnswered: (call) => call < 12 });
    try {
      const viaProxy = new ReleaseBench(
        lab,
        bench.namespace,
        proxy.writeKubeconfig(`${bench.topology("")}.kubeconfig`),
      );
      const args = viaProxy.arguments(["deploy", ...CHAIN]);
      const child = Bun.spawn([EXECUTABLE, ...args], { stderr: "pipe" });
      let text = "";
      const reading = (async () => {
        for await (const chunk of child.stderr) text += new TextDecoder().decode(chunk);
      })();
      await waitFor(async () => proxy.calls.length >= 12);
      child.kill("SIGINT");
      await waitFor(async () => text.includes("Stopping after the requests in flight"));
      child.kill("SIGINT");
      expect(await child.exited).toBe(130);
      await reading;
      expect(text).not.toContain("Run the same command again to resume");
    } finally {
      proxy.stop();
    }
    expect((await bench.run("deploy", ...CHAIN)).exitCode).toBe(0);
  }, 120_000);

  test("Ctrl-C stops the wait for another command's lock", async () => {
    const bench = benches.open("release-waiting");
    await lab.kubectl(["create", "namespace", bench.namespace]);
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "chain-link.chain-link" },
      spec: { holderIdentity: "somebody", leaseDurationSeconds: 3600 },
    };
    await lab.kubectl(["create", "-n", bench.namespace, "-f", "-"], { input: JSON.stringify(lease) });
    const child = Bun.spawn([EXECUTABLE, ...bench.arguments(["deploy", ...CHAIN])], { stderr: "pipe" });
    let text = "";
    for await (const chunk of child.stderr) {
      text += new TextDecoder().decode(chunk);
      if (text.includes("locked by somebody") && !text.includes("Stopping")) child.kill("SIGINT");
    }
    expect(await child.exited).toBe(130);
    expect(await bench.list()).toEqual(["Lease/chain-link.chain-link"]);
  }, 60_000);

  test("an exceeded quota, a terminating namespace and a missing revision are reported", async () => {
    const bench = benches.open("release-trouble");
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

  test("a replaced revision is reported, and the next deploy does not need it", async () => {
    const bench = benches.open("release-replaced");
    const place = ["-n", bench.namespace];
    for (const links of ["1", "2"]) await bench.run("deploy", "--instances", links, ...CHAIN);
    const secret = await lab.query("get", "secret", "chain-link.chain-link.v1", ...place);
    const edited = { ...secret, data: { revision: Buffer.from("{}").toString("base64") } };
    const edit = await lab.kubectl(["apply", "-f", "-", ...place], {
      input: JSON.stringify(edited),
      mayFail: true,
    });
    expect(edit.stderr).toContain("immutable");
    await lab.kubectl(["delete", "secret", "chain-link.chain-link.v1", ...place]);
    const { name, labels, annotations } = secret.metadata;
    const again = { ...edited, metadata: { name, labels, annotations } };
    await lab.kubectl(["create", "-f", "-", ...place], { input: JSON.stringify(again) });

    const before = await bench.list();
    const back = await bench.run("rollback", "1", "--wait=false");
    expect(back.exitCode).toBe(1);
    expect(back.stderr).toContain('"chain-link.chain-link.v1" is to hold a revision');
    expect(back.stderr).toContain("somebody changed it");
    expect(await bench.list()).toEqual(before);
    expect((await bench.run("deploy", "--instances", "3", ...CHAIN)).exitCode).toBe(0);
  }, 120_000);

  test("delete names the object that does not end, and what holds it", async () => {
    const bench = benches.open("release-held");
    const place = ["-n", bench.namespace];
    await bench.run("deploy", "--instances", "1", ...CHAIN);
    const patch = (finalizers: readonly string[] | null) =>
      lab.kubectl([
        ...["patch", "service", "chain-link-service-0", "--type=merge", ...place],
        ...["-p", JSON.stringify({ metadata: { finalizers } })],
      ]);
    await patch(["chain-link.dev/test"]);
    const held = await bench.run("delete", "--timeout", "20s");
    expect(held.exitCode).toBe(1);
    expect(held.stderr).toContain("Service chain-link-service-0: still has finalizers: chain-link.dev/test");
    await patch(null);
    expect((await bench.run("delete")).exitCode).toBe(0);
    expect(await bench.list()).toEqual([]);
  }, 120_000);

  async function waitFor(isSo: () => Promise<boolean>): Promise<void> {
    const giveUpAtMs = Date.now() + 30_000;
    while (!(await isSo())) {
      if (Date.now() > giveUpAtMs) throw new Error("what the test waits for did not happen");
      await Bun.sleep(200);
    }
  }
});
