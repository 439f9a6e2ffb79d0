import { describe, expect, test } from "bun:test";
import Ajv from "ajv";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import openApi from "../fixtures/kubernetes/openapi.json" with { type: "json" };

const SCHEMAS: Readonly<Record<string, string>> = {
  ConfigMap: "io.k8s.api.core.v1.ConfigMap",
  Deployment: "io.k8s.api.apps.v1.Deployment",
  Namespace: "io.k8s.api.core.v1.Namespace",
  Pod: "io.k8s.api.core.v1.Pod",
  Service: "io.k8s.api.core.v1.Service",
};

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(openApi, "kubernetes");

/** What the API server's own schema says against the object as JSON; unknown fields count. */
function violationsOf(object: KubernetesObject): string[] {
  const validate = ajv.getSchema(`kubernetes#/components/schemas/${SCHEMAS[object.kind]}`);
  if (validate === undefined) throw new Error(`no schema for ${object.kind}`);
  validate(JSON.parse(JSON.stringify(object)));
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

const SHOP = new URL("../fixtures/kubernetes/shop.yaml", import.meta.url);
const TOPOLOGIES = {
  "a chain": buildChain(3),
  "a chain with behavior": parseTopology(
    "{apiVersion: chain-link.dev/v1, kind: Topology, chain: 2, defaults: {latency: 1ms, replicas: 2}}",
    "test",
    { slow: false },
  ),
  "a graph": parseTopology(await Bun.file(SHOP).text(), "shop.yaml"),
};

describe(`Kubernetes ${openApi.version}`, () => {
  for (const [name, topology] of Object.entries(TOPOLOGIES)) {
    const objects = buildObjects(topology, { namespace: "demo", canary: true });

    test.each(objects.map((object) => [object.kind, object.metadata.name, object] as const))(
      `takes of ${name} the %s %s`,
      (_kind, _name, object) => {
        expect(violationsOf(object)).toEqual([]);
      },
    );
  }

  test("rejects an unknown field and a field of the wrong type", () => {
    const deployment = buildObjects(buildChain(1), { namespace: "demo" }).find(
      ({ metadata }) => metadata.name === "chain-link-deployment-0",
    );
    if (deployment === undefined) throw new Error("no Deployment");
    const text = JSON.stringify(deployment);
    const misspelt = JSON.parse(text.replace("readinessProbe", "readynessProbe"));
    expect(violationsOf(misspelt).join()).toContain('"additionalProperty":"readynessProbe"');
    const mistyped = JSON.parse(text.replace('"replicas":1', '"replicas":"1"'));
    expect(violationsOf(mistyped).join()).toContain("/spec/replicas must be integer");
    const incomplete = JSON.parse(text.replace('"selector"', '"selektor"'));
    expect(violationsOf(incomplete).join()).toContain('"missingProperty":"selector"');
  });
});
