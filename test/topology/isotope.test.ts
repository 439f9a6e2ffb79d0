import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { load } from "js-yaml";
import { importIsotope } from "../../src/topology/isotope.ts";
import { describeLoss } from "../../src/topology/isotope-remarks.ts";
import { readGoDuration, readGoPercentage, readGoSize } from "../../src/topology/isotope-values.ts";
import { isCall } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { TopologyError } from "../../src/topology/problem.ts";

const GRAPH = `apiVersion: v1alpha1
kind: MockServiceGraph
defaults:
  type: grpc
  requestSize: 1 KB
  responseSize: 16 KB
  numRbacPolicies: 3
services:
- name: a
  errorRate: 0.01%
  script:
  - sleep: 100ms
- name: b
  namespace: demo
- name: c
  script:
  - call: { service: a, size: 10K, hostname: a.global }
  - call: b
- name: d
  isEntrypoint: true
  numReplicas: 2
  script:
  - - call: a
    - call: { service: c, probability: 20 }
    - sleep: 5ms
  - sleep: 10ms
  - call: { service: b, size: 0 }
`;

function convert(text: string): unknown {
  return load(importIsotope(text, "g.yaml").yaml);
}

function problemsOf(text: string): string[] {
  try {
    importIsotope(text, "g.yaml");
  } catch (error) {
    if (!(error instanceof TopologyError)) throw error;
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

function lossesOf(text: string): string[] {
  return importIsotope(text, "g.yaml").losses.map((loss) => describeLoss("g.yaml", loss));
}

describe("a service graph of isotope", () => {
  test("becomes a topology document", () => {
    expect(convert(GRAPH)).toEqual({
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      defaults: { response: "16KiB", request: "1KiB" },
      services: {
        a: { errors: "0.01%", calls: [{ sleep: "100ms" }] },
        b: {},
        c: { calls: [{ service: "a", request: "10KiB" }, "b"] },
        d: {
          entry: true,
          replicas: 2,
          calls: [
            ["a", { service: "c", probability: "20%" }, { sleep: "5ms" }],
            { sleep: "10ms" },
            { service: "b", request: "0" },
          ],
        },
      },
    });
  });

  test("becomes a document that the topology parser accepts", () => {
    const { services, entry } = parseTopology(importIsotope(GRAPH, "g.yaml").yaml, "t.yaml");
    expect(entry).toBe("d");
    const calls = services.get("d")?.steps.flatMap((step) => step.filter(isCall));
    expect(calls?.map(({ service, probability, request }) => [service, probability, request])).toEqual([
      ["a", 1, { kind: "fixed", value: 1024 }],
      ["c", 0.2, { kind: "fixed", value: 1024 }],
      ["b", 1, { kind: "fixed", value: 0 }],
    ]);
  });

  test("reports each part without a counterpart once, with its place, in line order", () => {
    expect(lossesOf(GRAPH)).toEqual([
      "g.yaml:4:9: defaults.type: links speak HTTP, not gRPC",
      "g.yaml:7:3: defaults.numRbacPolicies: has no counterpart and is left out",
      "g.yaml:14:3: services[1].namespace: has no counterpart and is left out",
      "g.yaml:17:36: services[2].script[0].call.hostname: has no counterpart and is left out",
    ]);
  });

  test("keeps a response size of 0 that overrides the defaults", () => {
    const text = `defaults: { responseSize: 1KB }
services:
- { name: a, isEntrypoint: true, responseSize: 0, script: [{ call: b }] }
- { name: b }
`;
    const { services } = parseTopology(importIsotope(text, "g.yaml").yaml, "t.yaml");
    const sizes = ["a", "b"].map((name) => JSON.stringify(services.get(name)));
    expect(sizes[0]).not.toContain("1024");
    expect(sizes[1]).toContain('{"kind":"fixed","value":1024}');
    expect(convert(text)).toMatchObject({ services: { a: { response: "0" } } });
  });

  test("gets a warning about each call that would exceed the default timeout, which isotope does not have", () => {
    const text = `services:
- { name: a, isEntrypoint: true, script: [[{ call: b }, { call: c }]] }
- { name: b, script: [{ sleep: 2s }, { call: c }] }
- { name: c, script: [{ sleep: 1s }] }
`;
    expect(lossesOf(text)).toEqual([
      "g.yaml:2:52: services[0].script[0][0].call: its callee sleeps too long: calls time out after 3s here, but never in isotope; set a timeout",
    ]);
    expect(lossesOf(text.replace("2s", "1.9s"))).toEqual([]);
  });

  test("gives the default script to every service without a script", () => {
    const text = `defaults:
  script: [{ call: { service: z, size: 1, extra: 2 } }]
services:
- { name: a, isEntrypoint: true }
- { name: b }
- { name: z, script: [] }
`;
    expect(convert(text)).toMatchObject({
      services: {
        a: { calls: [{ service: "z", request: "1" }] },
        b: { calls: [{ service: "z", request: "1" }] },
        z: {},
      },
    });
    expect(lossesOf(text)).toHaveLength(1);
  });

  test("without an entry gets as its entry the only service that no other service calls", () => {
    const text = "services: [{ name: a, script: [{ call: b }] }, { name: b }]\n";
    expect(convert(text)).toMatchObject({ services: { a: { entry: true }, b: {} } });
    expect(lossesOf(text)).toEqual([
      'g.yaml:1:11: services: no isEntrypoint; "a" becomes the entry, because no service calls it',
    ]);
  });

  test("keeps the first of several entries", () => {
    const text = "services:\n- { name: a, isEntrypoint: true }\n- { name: b, isEntrypoint: true }\n";
    expect(convert(text)).toEqual({
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      services: { a: { entry: true }, b: {} },
    });
    expect(lossesOf(text)).toEqual([
      'g.yaml:3:28: services[1].isEntrypoint: a topology has only one entry; "a" is used',
    ]);
  });

  test("reduces sizes above the maximum", () => {
    const text = "services: [{ name: a, isEntrypoint: true, responseSize: 1GB }]\n";
    expect(convert(text)).toMatchObject({ services: { a: { response: "64MiB" } } });
    expect(lossesOf(text)).toEqual(["g.yaml:1:57: services[0].responseSize: reduced to the maximum, 64MiB"]);
  });
});

test("all problems are reported at once, with their places in isotope's document", () => {
  const text = `defaults: { errorRate: 200%, requestSize: lots }
services:
- name: A
  type: udp
  numReplicas: -1
  script:
  - sleep: soon
  - call: nobody
  - - call: { service: b, probability: 101 }
    - - call: b
  - { call: b, sleep: 1ms }
- name: b
  isEntrypoint: yes please
  script: [{ call: { service: A, size: -5 } }]
- name: b
- 5
`;
  expect(problemsOf(text)).toEqual([
    'g.yaml:1:24: defaults.errorRate: expected a percentage such as 0.5% or a number from 0 to 1, found "200%"',
    'g.yaml:1:43: defaults.requestSize: expected a size such as 128, 1KB or 16 MiB, found "lots"',
    'g.yaml:2:1: services: expected one service with "isEntrypoint: true", found none',
    'g.yaml:3:9: services[0].name: expected a DNS label: at most 63 lower-case letters, digits and hyphens, beginning with a letter, found "A"',
    'g.yaml:4:9: services[0].type: expected http or grpc, found "udp"',
    "g.yaml:5:16: services[0].numReplicas: expected a whole number from 0 to 1000, found -1",
    'g.yaml:7:12: services[0].script[0].sleep: expected a duration such as 10ms, found "soon"',
    'g.yaml:8:11: services[0].script[1].call: expected the name of a service in this document, found "nobody"',
    "g.yaml:9:40: services[0].script[2][0].call.probability: expected a whole number from 0 to 100, found 101",
    'g.yaml:10:7: services[0].script[2][1]: expected a command: { sleep } or { call }, found [{"call":"b"}]',
    'g.yaml:11:5: services[0].script[3]: expected a command: { sleep } or { call }, found {"call":"b","sleep":"1ms"}',
    'g.yaml:13:17: services[1].isEntrypoint: expected true or false, found "yes please"',
    "g.yaml:14:20: services[1].script[0].call: expected calls without cycles, found A -> b -> A",
    "g.yaml:14:40: services[1].script[0].call.size: expected a size such as 128, 1KB or 16 MiB, found -5",
    'g.yaml:15:9: services[2].name: expected each name once, found "b"',
    "g.yaml:16:3: services[3]: expected a mapping, found 5",
  ]);
});

test.each([
  ["", "g.yaml:1:1: expected a mapping, found null"],
  [
    "services: {}",
    "g.yaml:1:11: services: expected a list of services, at least one, found an empty mapping",
  ],
  ["a: [", "g.yaml:1:5: expected YAML or JSON"],
])("%j is no service graph", (text, problem) => {
  expect(problemsOf(text).some((line) => line.startsWith(problem))).toBe(true);
});

describe("values are read as by isotope's libraries", () => {
  test.each([
    ["1 KB", 1024],
    ["16kb", 16_384],
    ["10K", 10_240],
    ["1.5MiB", 1_572_864],
    ["128", 128],
    [77, 77],
    ["1  KB", undefined],
    ["KB", undefined],
    [-1, undefined],
    [1.5, undefined],
    [null, undefined],
  ])("size %j", (text, bytes) => {
    expect(readGoSize(text)).toBe(bytes);
  });

  test.each([
    ["100ms", 100],
    ["1h1m1.5s", 3_661_500],
    [".5s", 500],
    ["1.s", 1000],
    ["+2us", 0.002],
    ["0", 0],
    ["-1s", undefined],
    ["5", undefined],
    ["", undefined],
    [5, undefined],
  ])("duration %j", (text, ms) => {
    expect(readGoDuration(text)).toBe(ms);
  });

  test.each([
    ["0.01%", 0.0001],
    ["100%", 1],
    [0.5, 0.5],
    ["101%", undefined],
    ["5", undefined],
    [2, undefined],
  ])("percentage %j", (text, share) => {
    expect(readGoPercentage(text)).toBe(share);
  });
});

test("any document gives problems or a topology that the parser accepts", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "B");
  const size = fc.constantFrom<unknown>("1KB", 0, 5, "128", "1GB", "x");
  const call = fc.oneof(
    name,
    fc.record({ service: name, size, probability: fc.integer({ min: -1, max: 101 }) }, { requiredKeys: [] }),
  );
  const command = fc.oneof(
    fc.record({ call }),
    fc.record({ sleep: fc.constantFrom<unknown>("1ms", "0", "1h2.5s", 7) }),
  );
  const script = fc.array(fc.oneof(command, command, fc.array(command, { maxLength: 2 })), { maxLength: 3 });
  const shared = {
    type: fc.constantFrom("http", "grpc"),
    errorRate: fc.constantFrom<unknown>("1%", 0.123456789, 1e-9, 0),
    responseSize: size,
    numReplicas: fc.constantFrom(0, 1, 3),
    script,
  };
  const service = fc.record({ name, isEntrypoint: fc.boolean(), ...shared }, { requiredKeys: ["name"] });
  const graph = fc.record(
    {
      defaults: fc.record({ ...shared, requestSize: size }, { requiredKeys: [] }),
      services: fc.uniqueArray(service, { selector: ({ name: own }) => own, minLength: 1, maxLength: 4 }),
    },
    { requiredKeys: ["services"] },
  );
  let taken = 0;
  fc.assert(
    fc.property(graph, (given) => {
      try {
        const { yaml } = importIsotope(JSON.stringify(given), "g.json");
        const { services } = parseTopology(yaml, "t.yaml");
        expect([...services.keys()]).toEqual(given.services.map(({ name: own }) => own));
        taken++;
      } catch (error) {
        if (!(error instanceof TopologyError)) throw error;
        expect(error.message).toStartWith("g.json has");
      }
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(100);
});
