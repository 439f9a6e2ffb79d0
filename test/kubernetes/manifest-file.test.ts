import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { load, loadAll, YAML11_SCHEMA } from "js-yaml";
import { readProvenance, renderManifest, renderStream } from "../../src/kubernetes/manifest-file.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { renderYaml } from "../../src/kubernetes/yaml.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { parseTopology } from "../../src/topology/parse.ts";

const FIXTURES = new URL("../fixtures/kubernetes/", import.meta.url);
const OPTIONS = { namespace: "chain-link", image: "ghcr.io/chain-link-dev/chain-link:1.2.3" };
const SHOP = parseTopology(readFileSync(new URL("shop.yaml", FIXTURES), "utf8"), "shop.yaml");

const GOLDEN: readonly [string, KubernetesObject[]][] = [
  ["chain-3", buildObjects(buildChain(3), OPTIONS)],
  ["shop", buildObjects(SHOP, { ...OPTIONS, namespace: "shop", sleepSeconds: 1 })],
];

/** `RENEW_FIXTURES=1 bun test …` writes the files anew; read the difference before you commit it. */
describe.each(GOLDEN)("the manifests of %s", (name, objects) => {
  const folder = new URL(`${name}/`, FIXTURES);
  const files = objects.map(renderManifest);
  if (process.env.RENEW_FIXTURES === "1") {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const file of files) writeFileSync(new URL(file.name, folder), file.text);
  }

  test("have the expected file names", () => {
    expect(files.map((file) => file.name).sort()).toEqual(readdirSync(folder).sort());
  });

  test.each(files)("have the expected bytes: $name", (file) => {
    expect(file.text).toBe(readFileSync(new URL(file.name, folder), "utf8"));
  });

  test("parse back to the objects", () => {
    for (const [index, { text }] of files.entries())
      expect(load(text, { schema: YAML11_SCHEMA })).toEqual(JSON.parse(JSON.stringify(objects[index])));
  });
});

describe("a stream", () => {
  const objects = buildObjects(buildChain(2), OPTIONS);
  const plain = JSON.parse(JSON.stringify(objects));

  test("in YAML has one document per object, with the bytes of its file", () => {
    const text = [...renderStream(objects, "yaml")].join("");
    expect(text).toBe(objects.map((object) => `---\n${renderManifest(object).text}`).join(""));
    expect(loadAll(text)).toEqual(plain);
  });

  test("in JSON is one List object", () => {
    const text = [...renderStream(objects, "json")].join("");
    expect(text.endsWith("}\n")).toBe(true);
    expect(JSON.parse(text)).toEqual({ apiVersion: "v1", kind: "List", items: plain });
    expect(text).toBe(`${JSON.stringify({ apiVersion: "v1", kind: "List", items: plain }, null, 2)}\n`);
  });
});

describe("the provenance of a file", () => {
  const files = GOLDEN.flatMap(([, objects]) => objects).map(renderManifest);
  const [deployment] = files.filter(({ name }) => name === "chain-link-deployment-0-deployment.yaml");
  const { name, text } = deployment ?? { name: "", text: "" };

  test("is ours for every manifest except the bare Namespace", () => {
    for (const file of files) {
      expect(readProvenance(file.name, file.text).kind).toBe(
        file.name.endsWith("-namespace.yaml") ? "bare-namespace" : "ours",
      );
    }
  });

  test("is still ours after the image or the order of the spec was edited", () => {
    const edited = text.replace("1.2.3", "1.2.4").replace("replicas: 1", "replicas: 4");
    expect(readProvenance(name, edited)).toEqual({ kind: "ours", namespace: "chain-link" });
  });

  test.each([
    ["a copy under another name", "backup-deployment.yaml", text],
    ["a stream of several objects", name, `${text}---\n${text}`],
    ["an object without our label", name, text.replaceAll(/^.*managed-by.*\n/gm, "")],
    ["an object of another manager", name, text.replaceAll("managed-by: chain-link", "managed-by: Helm")],
    [
      "a Namespace with something of its own",
      "a-namespace.yaml",
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: {}\n  name: a\n",
    ],
    ["no manifest at all", "a-pod.yaml", "hello"],
    ["an empty file", "a-pod.yaml", ""],
  ])("is foreign for %s", (_, fileName, content) => {
    expect(readProvenance(fileName, content)).toEqual({ kind: "foreign" });
  });

  test("reads names that look like numbers", () => {
    const [namespace, list] = buildObjects(buildChain(1), { namespace: "123" }).map(renderManifest);
    expect(readProvenance(namespace?.name ?? "", namespace?.text ?? "")).toEqual({
      kind: "bare-namespace",
      namespace: "123",
    });
    expect(readProvenance(list?.name ?? "", list?.text ?? "")).toEqual({ kind: "ours", namespace: "123" });
    expect(renderYaml({ name: "123" })).toBe("name: '123'\n");
  });
});
