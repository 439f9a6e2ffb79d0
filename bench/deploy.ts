/**
 * A release of 1,000 links without pods: deploy against kubectl and helm, which apply the same objects.
 *
 *     CHAIN_LINK_LAB=… HELM=… bun bench/deploy.ts [LINKS]
 *
 * - Metric: wall time, the client's processor time (user and system), peak memory, requests. API server on loopback, and
 *   20 ms away behind a proxy that delays bytes both ways.
 * - Variants: `deploy --wait=false`; `kubectl apply --server-side --validate=false` of the lab's own kubectl (the fast way;
 *   with validation it takes about 6 times as long); `helm install` and `helm upgrade` where there is a helm. First into
 *   an empty namespace, then again without a change; the variants take turns, each in a namespace of its own.
 * - Asserted first: each variant's namespace holds the same Deployments and Services. Of one link that changed,
 *   exactly one object is sent.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubernetesObject } from "../src/kubernetes/object.ts";
import { buildObjects } from "../src/kubernetes/objects.ts";
import { renderYaml } from "../src/kubernetes/yaml.ts";
import { parseTopology } from "../src/topology/parse.ts";
import { ApiProxy } from "../test/helpers/api-proxy.ts";
import { hasLab, LAB_NOTE, startLab, stopLab } from "../test/helpers/lab.ts";
import { startDelayProxy } from "./delay-proxy.ts";
import { EXECUTABLE, readMemory } from "./process.ts";

const LINKS = Number(process.argv[2] ?? 1000);
const HELM = process.env.HELM ?? Bun.which("helm");
const ROUND_TRIP_MS = 20;
const LAB_PORT = 16_443;

interface Measurement {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly messages: string;
}

interface Variant {
  readonly name: "deploy" | "kubectl" | "helm";
  command(namespace: string, kubeconfig: string, isFirst: boolean): string[];
}

if (!hasLab) {
  console.log(`nothing was measured${LAB_NOTE}`);
  process.exit(0);
}
const lab = await startLab();
const top = mkdtempSync(join(tmpdir(), "bench-deploy-"));
const namespaces: string[] = [];
try {
  const document = writeTopology("plain.yaml", "");
  const variants: Variant[] = [deployVariant(document), kubectlVariant(document)];
  if (HELM !== null) variants.push(helmVariant(HELM, document));
  else console.log("helm: not on the PATH and not named by HELM, so there is no comparison");
  await measureSite("on loopback", lab.kubeconfig, variants);
  await measureChange(document);
  const proxy = startDelayProxy(LAB_PORT, ROUND_TRIP_MS);
  const far = join(top, "far.kubeconfig");
  writeFileSync(
    far,
    readFileSync(lab.kubeconfig, "utf8").replace(`127.0.0.1:${LAB_PORT}`, `127.0.0.1:${proxy.port}`),
  );
  await measureSite(`${ROUND_TRIP_MS} ms away`, far, variants);
  proxy.stop();
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

/** A chart without logic: helm's own templates would only cost it more. */
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
  console.log(`\n${LINKS} links, API server ${site}`);
  const first = new Map<string, Measurement>();
  const again = new Map<string, Measurement>();
  for (const { name, command } of variants) {
    const namespace = `bench-${name}-${namespaces.length}`;
    namespaces.push(namespace);
    await lab.kubectl(["create", "namespace", namespace]);
    first.set(name, await measure(command(namespace, kubeconfig, true)));
    await check(namespace);
    again.set(name, await measure(command(namespace, kubeconfig, false)));
    await lab.kubectl(["delete", "namespace", namespace, "--timeout=10m"], { mayFail: true });
  }
  report("first", first);
  report("again", again);
}

async function check(namespace: string): Promise<void> {
  for (const [kind, more] of [
    ["deployments", 1],
    ["services", 1],
    ["pods", 1],
  ] as const) {
    const { stdout } = await lab.kubectl(["get", kind, "-n", namespace, "-o", "name"]);
    const count = stdout.trim().split("\n").length;
    if (kind !== "pods") assert.equal(count, LINKS + more, `${kind} in ${namespace}`);
  }
}

/** One link of all changes: what is sent that changes something, seen by a proxy. */
async function measureChange(document: string): Promise<void> {
  const namespace = "bench-change";
  namespaces.push(namespace);
  await measure(deployCommand(document, namespace, lab.kubeconfig));
  const proxy = await ApiProxy.start(lab.kubeconfig);
  const changed = writeTopology("changed.yaml", ", latency: 5ms");
  await measure(deployCommand(changed, namespace, proxy.writeKubeconfig(join(top, "proxy.kubeconfig"))));
  proxy.stop();
  const sent = proxy.calls.filter(({ method, path }) => method !== "GET" && !/dryRun|selfsubject/.test(path));
  const objects = sent.filter(({ path }) => !/\/leases|\/secrets|configmaps\/chain-link\./.test(path));
  console.log(`\none of ${LINKS} links changed: ${proxy.calls.length} requests, of which change something`);
  for (const { method, path } of sent) console.log(`  ${method} ${path.replace(/\?.*/, "")}`);
  assert.equal(objects.length, 1);
  await lab.kubectl(["delete", "namespace", namespace, "--timeout=10m"], { mayFail: true });
}

async function measure(command: string[]): Promise<Measurement> {
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
  return { wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000, peakBytes, messages };
}

function report(title: string, measured: ReadonlyMap<string, Measurement>): void {
  const ours = measured.get("deploy");
  for (const [name, { wallMs, cpuMs, peakBytes, messages }] of measured) {
    const requests = /(\d+) requests/.exec(messages)?.[1];
    const ratio =
      ours === undefined || name === "deploy"
        ? ""
        : `, deploy takes ${(ours.wallMs / wallMs).toFixed(3)} of its wall time, ${(ours.cpuMs / cpuMs).toFixed(3)} of its processor time`;
    console.log(
      `  ${title}  ${name.padEnd(8)}${(wallMs / 1000).toFixed(2).padStart(8)} s wall${(cpuMs / 1000).toFixed(2).padStart(8)} s cpu` +
        `${(peakBytes / 1e6).toFixed(0).padStart(6)} MB${requests === undefined ? "" : `, ${requests} requests`}${ratio}`,
    );
  }
}
