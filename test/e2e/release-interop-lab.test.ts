import { expect, test } from "bun:test";
import { describeReleases } from "../helpers/describe-lab.ts";
import { PAUSE_IMAGE } from "../helpers/release.ts";

const CHAIN = ["--chain-link-image", PAUSE_IMAGE, "--wait=false"];

describeReleases("releases whose objects others change", (benches) => {
  const { lab } = benches;

  test("a change by kubectl is reported with its field manager; a scaled Deployment is kept", async () => {
    const bench = benches.open("release-conflicts");
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

  test("a change by kubectl edit is a conflict in fields that we own, and is kept in others", async () => {
    const bench = benches.open("release-edit");
    const place = ["-n", bench.namespace];
    expect((await bench.run("deploy", "--instances", "2", ...CHAIN)).exitCode).toBe(0);
    const edit = (name: string, script: string) =>
      lab.kubectl(["edit", "deployment", name, ...place], { env: { KUBE_EDITOR: `sed -i '${script}'` } });
    await edit("chain-link-deployment-0", "s/revisionHistoryLimit: 10/revisionHistoryLimit: 2/");
    const same = await bench.run("deploy", "--instances", "2", ...CHAIN, "-o", "json");
    expect(JSON.parse(same.stdout)).toMatchObject({ revision: 1, updated: 0 });
    const { spec } = await lab.query("get", "deployment", "chain-link-deployment-0", ...place);
    expect(spec.revisionHistoryLimit).toBe(2);

    await edit(
      "chain-link-deployment-1",
      "s/terminationGracePeriodSeconds: 30/terminationGracePeriodSeconds: 7/",
    );
    const conflict = await bench.run("deploy", "--instances", "2", ...CHAIN);
    expect(conflict.exitCode).toBe(1);
    expect(conflict.stderr).toContain(
      'Deployment chain-link-deployment-1: .spec.template.spec.terminationGracePeriodSeconds was changed by "kubectl-edit"; nothing was changed',
    );
  }, 120_000);

  test("existing objects that no release owns, or that another release owns, are refused together; --take-ownership adopts the former", async () => {
    const bench = benches.open("release-foreign");
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

  test("kubectl apply --prune refuses the set, because it is ours", async () => {
    const bench = benches.open("release-applyset");
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
});
