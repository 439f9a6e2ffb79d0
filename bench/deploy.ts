/**
 * Deploys a release of many links without pods, and compares deploy with kubectl and helm, which apply the same
 * objects.
 *
 *     CHAIN_LINK_LAB=… HELM=… bun bench/deploy.ts [--links 1000] [--only loopback,far,change] [--write]
 *
 * - Metrics: wall time, the client's CPU time (user and system), peak memory and requests. The API server is on
 *   loopback, and then 20 ms away, behind a proxy that delays bytes both ways.
 * - Variants: `deploy --wait=false`; `kubectl apply --server-side --validate=false` with the lab's kubectl
 *   (validation takes about 6 times as long); `helm install` and `helm upgrade` if helm is installed. Each
 *   variant first deploys into an empty namespace, then again without a change. Variants take turns, each in its
 *   own namespace.
 * - Asserted first: all namespaces contain the same Deployments and Services. If one link changes, deploy sends
 *   exactly one object.
 * - `--write` updates docs/performance.md and bench/README.md.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { KubernetesObject } from "../src/kubernetes/object.ts";
import { buildObjects } from "../src/kubernetes/objects.ts";
import { renderYaml } from "../src/kubernetes/yaml.ts";
import { parseTopology } from "../src/topology/parse.ts";
import { ApiProxy } from "../test/helpers/api-proxy.ts";
import { hasLab, LAB_NOTE, startLab, stopLab } from "../test/helpers/lab.ts";
import { startDelayProxy } from "./delay-proxy.ts";
import { judgeDeploys, type Measurement, renderDeploys, type VariantName } from "./deploy-goals.ts";
import { describeMachine, writePages } from "./page.ts";
import { EXECUTABLE, readMemory } from "./process.ts";

const { values: options } = parseArgs({
  options: {
    links: { type: "string", default: "1000" },
    only: { type: "string", default: "loopback,far,change" },
    write: { type: "boolean", default: false },
  },
});
const LINKS = Number(options.links);
const parts = options.only.split(",");
const HELM = process.env.HELM ?? Bun.which("helm");
const ROUND_TRIP_MS = 20;
const LAB_PORT = 16_443;

interface Variant {
  readonly name: VariantName;
  command(namespace: string, kubeconfig: string, isFirst: boolean): string[];
}

if (!hasLab) {
  console.log(`nothing was measured${LAB_NOTE}`);
  process.exit(0);
}
const lab = await startLab();
const top = mkdtempSync(join(tmpdir(), "bench-deploy-"));
const namespaces: string[] = [];
const measured: Measurement[] = [];
try {
  const document = writeTopology("plain.yaml", "");
  const variants: Variant[] = [deployVariant(document), kubectlVariant(document)];
  if (HELM !== null) variants.push(helmVariant(HELM, document));
  else console.log("helm: not on the PATH and not named by HELM, so there is no comparison");
  // A copy, because starting the lab again rewrites the file.
  const near = join(top, "near.kubeconfig");
  writeFileSync(near, readFileSync(lab.kubeconfig, "utf8"));
  if (parts.includes("loopback")) await measureSite("loopback", near, variants);
  const changed = parts.includes("change") ? await measureChange(document, near) : null;
  if (parts.includes("far")) {
    const proxy = startDelayProxy(LAB_PORT, ROUND_TRIP_MS);
    const far = join(top, "far.kubeconfig");
    const text = readFileSync(near, "utf8");
    writeFileSync(far, text.replace(`127.0.0.1:${LAB_PORT}`, `127.0.0.1:${proxy.port}`));
    await measureSite(`${ROUND_TRIP_MS} ms away`, far, variants);
    proxy.stop();
  }
  const date = new Date().toISOString().slice(0, 10);
  const results = renderDeploys(measured);
  const goals = [
    ...judgeDeploys(measured, changed),
    "",
    `- ${LINKS} links without pods, ${2 * LINKS + 2} objects; the lab's API server shares the machine. ${describeMachine()}, ${date}.`,
  ];
  console.log(`\n${[...results, "", ...goals].join("\n")}`);
  if (options.write) writePages("bench:deploy", results, goals);
} finally {
  for (const namespace of namespaces) {
    await lab.kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--wait=false"], {
      mayFail: true,
    });
  }
  rmSync(top, { recursive: true, force: true });
  await stopLab();
}

function writeTopology(name: string, more: string): string {
  const path = join(top, name);
  const lines = Array.from({ length: LINKS }, (_, index) => {
    const calls = index + 1 < LINKS ? `calls: [link-${index + 1}]` : "calls: []";
    const entry = index === 0 ? ", entry: true" : "";
    return `  link-${index}: { replicas: 0, ${calls}${entry}${index === 7 ? more : ""} }`;
  });
  writeFileSync(
    path,
    `apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: bench }\nservices:\n${lines.join("\n")}\n`,
  );
  return path;
}

function readObjects(document: string, namespace: string): KubernetesObject[] {
  const topology = parseTopology(readFileSync(document, "utf8"), document);
  return buildObjects(topology, { namespace }).filter(({ kind }) => kind !== "Namespace");
}

function deployCommand(document: string, namespace: string, kubeconfig: string): string[] {
  const settings = ["--config-file", join(top, "settings.conf"), "--kubeconfig", kubeconfig];
  return [EXECUTABLE, "deploy", document, "-n", namespace, "--wait=false", "--yes", "-v", ...settings];
}

function deployVariant(document: string): Variant {
  return {
    name: "deploy",
    command: (namespace, kubeconfig) => deployCommand(document, namespace, kubeconfig),
  };
}

function kubectlVariant(document: string): Variant {
  return {
    name: "kubectl",
    command(namespace, kubeconfig) {
      const file = join(top, `${namespace}.yaml`);
      const objects = readObjects(document, namespace);
      writeFileSync(file, objects.map((object) => `---\n${renderYaml(object)}`).join(""));
      const flags = ["--server-side", "--validate=false", "--kubeconfig", kubeconfig];
      return [lab.kubectlPath, "apply", ...flags, "-f", file];
    },
  };
}

/** Writes a chart without logic; templates would only slow Helm down. */
function helmVariant(helm: string, document: string): Variant {
  return {
    name: "helm",
    command(namespace, kubeconfig, isFirst) {
      const chart = join(top, `chart-${namespace}`);
      const templates = join(chart, "templates");
      mkdirSync(templates, { recursive: true });
      writeFileSync(join(chart, "Chart.yaml"), "apiVersion: v2\nname: bench\nversion: 0.1.0\n");
      const objects = readObjects(document, namespace);
      writeFileSync(
        join(templates, "all.yaml"),
        objects.map((object) => `---\n${renderYaml(object)}`).join(""),
      );
      const verb = isFirst ? "install" : "upgrade";
      return [helm, verb, "bench", chart, "-n", namespace, "--kubeconfig", kubeconfig, "--timeout", "15m"];
    },
  };
}

async function measureSite(site: string, kubeconfig: string, variants: readonly Variant[]): Promise<void> {
  for (const { name, command } of variants) {
    const namespace = `bench-${process.pid}-${name}-${namespaces.length}`;
    namespaces.push(namespace);
    await lab.kubectl(["create", "namespace", namespace]);
    for (const phase of ["first", "again"] as const) {
      const found = await measure(command(namespace, kubeconfig, phase === "first"));
      measured.push({ site, phase, name, ...found });
      console.error(`${site}, ${phase}, ${name}: ${(found.wallMs / 1000).toFixed(2)} s`);
      if (phase === "first") await check(namespace);
    }
    // Deleting a namespace would keep the server busy during the next measurement.
    await lab.kubectl(["delete", "namespace", namespace, "--timeout=10m"], { mayFail: true });
  }
}

async function check(namespace: string): Promise<void> {
  for (const kind of ["deployments", "services"]) {
    const { stdout } = await lab.kubectl(["get", kind, "-n", namespace, "-o", "name"]);
    // The additional one is Zipkin's.
    assert.equal(stdout.trim().split("\n").length, LINKS + 1, `${kind} in ${namespace}`);
  }
}

/** Changes one link and counts, in a proxy, the sent objects that change something. */
async function measureChange(document: string, near: string): Promise<number> {
  const namespace = `bench-${process.pid}-change`;
  namespaces.push(namespace);
  await measure(deployCommand(document, namespace, near));
  const proxy = await ApiProxy.start(near);
  const changed = writeTopology("changed.yaml", ", latency: 5ms");
  await measure(deployCommand(changed, namespace, proxy.writeKubeconfig(join(top, "proxy.kubeconfig"))));
  proxy.stop();
  const sent = proxy.calls.filter(({ method, path }) => method !== "GET" && !/dryRun|selfsubject/.test(path));
  const objects = sent.filter(({ path }) => !/\/leases|\/secrets|configmaps\/chain-link\./.test(path));
  for (const { method, path } of sent)
    console.error(`one link changed: ${method} ${path.replace(/\?.*/, "")}`);
  await lab.kubectl(["delete", "namespace", namespace, "--timeout=10m"], { mayFail: true });
  return objects.length;
}

async function measure(command: string[]): Promise<Omit<Measurement, "site" | "phase" | "name">> {
  const startMs = performance.now();
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe", stdin: "ignore" });
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, readMemory(child.pid, "VmHWM"));
  }, 5);
  const messages = await child.stderr.text();
  clearInterval(watch);
  assert.equal(await child.exited, 0, `${command.join(" ")}: ${messages.slice(-2000)}`);
  const wallMs = performance.now() - startMs;
  const cpuMs = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
  const requests = /(\d+) requests/.exec(messages)?.[1];
  return { wallMs, cpuMs, peakBytes, requests: requests === undefined ? null : Number(requests) };
}
