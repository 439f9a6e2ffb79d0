import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import fc from "fast-check";
import { load } from "js-yaml";
import { renderTopologySchema } from "../../scripts/topology-schema.ts";
import { prepareDraws } from "../../src/link/behavior-draws.ts";
import { buildChain } from "../../src/topology/chain.ts";
import {
  type Behavior,
  DEFAULT_RETRY,
  isCall,
  PLAIN_BEHAVIOUR,
  PLAIN_CALL,
} from "../../src/topology/model.ts";
import { parseService, parseTopology } from "../../src/topology/parse.ts";
import { TopologyError } from "../../src/topology/problem.ts";

const ROOT = join(import.meta.dir, "../..");
const HEAD = "apiVersion: chain-link.dev/v1\nkind: Topology\n";
const SHOP = readFileSync(join(ROOT, "examples/shop.yaml"), "utf8");

function problemsOf(text: string): string[] {
  try {
    parseTopology(text, "t.yaml");
  } catch (error) {
    if (!(error instanceof TopologyError)) throw error;
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe("a document without problems", () => {
  test("becomes a model with every default filled in", () => {
    const { name, kind, entry, services } = parseTopology(SHOP, "shop.yaml");
    expect({ name, kind, entry }).toEqual({ name: "shop", kind: "graph", entry: "frontend" });
    expect([...services.keys()]).toEqual(["frontend", "catalog", "reviews", "ads", "checkout"]);
    expect(services.get("frontend")).toEqual({
      name: "frontend",
      replicas: 1,
      behavior: { ...PLAIN_BEHAVIOUR, latency: { kind: "fixed", value: 1, probability: 1 } },
      steps: [
        [{ ...PLAIN_CALL, service: "catalog", timeoutMs: 3000 }],
        [
          { ...PLAIN_CALL, service: "reviews", timeoutMs: 3000 },
          { ...PLAIN_CALL, service: "ads", timeoutMs: 3000 },
        ],
        [{ ...PLAIN_CALL, service: "checkout", probability: 0.2, timeoutMs: 500, retries: 1 }],
      ],
    });
    expect(services.get("catalog")).toMatchObject({
      replicas: 2,
      behavior: { latency: { kind: "quantiles", p50: 2, p90: 8, p99: 40, probability: 1 } },
    });
    expect(services.get("reviews")?.behavior).toMatchObject({
      errors: [{ kind: "status", rate: 0.005, status: 500, after: null }],
      response: { kind: "fixed", value: 4096 },
    });
    expect(services.get("ads")?.behavior.errors).toEqual([
      { kind: "status", rate: 0.02, status: 503, after: null },
    ]);
    const cpu = services.get("checkout")?.behavior.cpu;
    expect(cpu?.kind === "fixed" ? cpu.value : undefined).toBeCloseTo(0.3, 9);
  });

  test("becomes a frozen model", () => {
    const topology = parseTopology(SHOP, "shop.yaml");
    const frontend = topology.services.get("frontend");
    for (const part of [
      topology,
      frontend,
      frontend?.behavior,
      frontend?.steps,
      frontend?.steps[0],
      frontend?.steps[0]?.[0],
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test("gives a call a timeout of 3 s for every link below it", () => {
    const { services } = parseTopology(
      `${HEAD}services:\n  a: { entry: true, calls: [b, d] }\n  b: { calls: [c] }\n  c: { calls: [d] }\n  d:\n`,
      "t.yaml",
    );
    const timeoutsOf = (name: string) =>
      services.get(name)?.steps.flatMap((step) => step.filter(isCall).map(({ timeoutMs }) => timeoutMs));
    expect(timeoutsOf("a")).toEqual([9000, 3000]);
    expect(timeoutsOf("b")).toEqual([6000]);
  });

  test("may be JSON", () => {
    expect(parseTopology(JSON.stringify(load(SHOP)), "shop.json")).toEqual(parseTopology(SHOP, "shop.yaml"));
  });

  test("with `chain: N` becomes the same model as --instances N", () => {
    expect(parseTopology(`${HEAD}chain: 5\n`, "t.yaml")).toEqual(buildChain(5));
    expect(parseTopology(`${HEAD}chain: 5\n`, "t.yaml", { slow: false })).toEqual(
      buildChain(5, { slow: false }),
    );
  });

  test("with a chain applies its defaults to every link", () => {
    const { services } = parseTopology(
      `${HEAD}defaults: { latency: 5ms, timeout: 1s, retries: 2, replicas: 0 }\nchain: 2\n`,
      "t.yaml",
    );
    const first = services.get("chain-link-service-0");
    expect(first).toMatchObject({
      replicas: 0,
      behavior: { latency: { kind: "fixed", value: 5, probability: 1 } },
    });
    expect(first?.steps).toEqual([
      [{ ...PLAIN_CALL, service: "chain-link-service-1", timeoutMs: 1000, retries: 2 }],
    ]);
  });

  test("may use YAML aliases", () => {
    const { services } = parseTopology(
      `${HEAD}services:\n  a: { entry: true, calls: [b], latency: &l 2ms }\n  b: { latency: *l }\n`,
      "t.yaml",
    );
    expect(services.get("b")?.behavior.latency).toEqual({ kind: "fixed", value: 2, probability: 1 });
  });

  test.each([
    ["{ fixed: 2s, probability: 10% }", { kind: "fixed", value: 2000, probability: 0.1 }],
    ["{ uniform: [1ms, 5ms] }", { kind: "uniform", min: 1, max: 5, probability: 1 }],
    ["{ normal: { mean: 5ms, deviation: 1ms } }", { kind: "normal", mean: 5, deviation: 1, probability: 1 }],
    [
      "{ lognormal: { mean: 5ms, deviation: 9ms }, probability: 0.5 }",
      { kind: "lognormal", mean: 5, deviation: 9, probability: 0.5 },
    ],
    ["{ exponential: 300us }", { kind: "exponential", mean: 0.3, probability: 1 }],
  ])("a latency may be %s", (text, latency) => {
    const { services } = parseTopology(
      `${HEAD}services:\n  a: { entry: true, latency: ${text} }\n`,
      "t.yaml",
    );
    expect(services.get("a")?.behavior.latency as unknown).toEqual(latency);
  });

  const behaviorOf = (text: string) =>
    parseTopology(`${HEAD}services:\n  a: { entry: true, ${text} }\n`, "t.yaml").services.get("a")?.behavior;

  test.each([
    ["errors: 0.5%", { errors: [{ kind: "status", rate: 0.005, status: 500, after: null }] }],
    [
      "errors: [{ rate: 1%, kind: reset, after: 5ms }, { rate: 0.5, kind: silence }]",
      {
        errors: [
          { kind: "reset", rate: 0.01, after: { kind: "fixed", value: 5 } },
          { kind: "silence", rate: 0.5, after: null },
        ],
      },
    ],
    [
      "errors: { rate: 1, status: 429, after: { uniform: [0, 1s] } }",
      { errors: [{ kind: "status", rate: 1, status: 429, after: { kind: "uniform", min: 0, max: 1000 } }] },
    ],
    [
      "response: { p50: 1KiB, p99: 1MiB }",
      { response: { kind: "quantiles", p50: 1024, p90: null, p99: 2 ** 20 } },
    ],
    [
      "cpu: { exponential: 1ms, probability: 10% }",
      { cpu: { kind: "exponential", mean: 1, probability: 0.1 } },
    ],
    [
      "latency: 0, response: 512",
      {
        latency: { kind: "fixed", value: 0, probability: 1 },
        response: { kind: "fixed", value: 512 },
      },
    ],
    ["memory: 64MiB", { memory: { heldBytes: 2 ** 26, requestBytes: 0 } }],
    ["memory: { perRequest: 1KiB }", { memory: { heldBytes: 0, requestBytes: 1024 } }],
    ["concurrency: 10", { concurrency: { limit: 10, queue: 1024, waitMs: null } }],
    ["concurrency: { limit: 1, queue: 0, wait: 1s }", { concurrency: { limit: 1, queue: 0, waitMs: 1000 } }],
    ["rateLimit: 0.5", { rateLimit: { perSecond: 0.5, burst: 1, status: 429 } }],
    [
      "rateLimit: { perSecond: 10, burst: 3, status: 503 }",
      { rateLimit: { perSecond: 10, burst: 3, status: 503 } },
    ],
    ["startup: 5s, slowStart: 30s", { startupMs: 5000, slowStart: { durationMs: 30_000, factor: 10 } }],
    ["slowStart: { for: 1m, factor: 2.5 }", { slowStart: { durationMs: 60_000, factor: 2.5 } }],
  ] as [string, Partial<Behavior>][])("a behavior may be %s", (text, expected) => {
    expect(behaviorOf(text)).toEqual({ ...PLAIN_BEHAVIOUR, ...expected });
  });

  test("may set retries and request bodies for each call, or for all calls in the defaults", () => {
    const { services } = parseTopology(
      `${HEAD}defaults: { retryBudget: 20%, request: 1KiB, backoff: 5ms }
services:
  a:
    entry: true
    calls:
      - { service: b, retries: 2, retryOn: [disconnect, 429], retryBudget: { ratio: 1%, minPerSecond: 0 } }
      - sleep: 10ms
      - [b, { sleep: { uniform: [1ms, 2ms] } }]
  b:
`,
      "t.yaml",
    );
    const request = { kind: "fixed", value: 1024 } as const;
    const call = { service: "b", probability: 1, timeoutMs: 3000, request };
    const { on } = DEFAULT_RETRY;
    expect(services.get("a")?.steps).toEqual([
      [
        {
          ...call,
          retries: 2,
          retry: { on: ["disconnect", 429], backoffMs: 5, budget: { ratio: 0.01, minPerSecond: 0 } },
        },
      ],
      [{ sleep: { kind: "fixed", value: 10 } }],
      [
        { ...call, retries: 0, retry: { on, backoffMs: 5, budget: { ratio: 0.2, minPerSecond: 10 } } },
        { sleep: { kind: "uniform", min: 1, max: 2 } },
      ],
    ]);
  });

  test("may have a chain of 10,000 services", () => {
    const lines = Array.from(
      { length: 10_000 },
      (_, i) => `  s${i}: { ${i === 0 ? "entry: true, " : ""}calls: [${i < 9999 ? `s${i + 1}` : ""}] }`,
    );
    const topology = parseTopology(`${HEAD}services:\n${lines.join("\n")}\n`, "t.yaml");
    expect(topology.services.get("s0")?.steps).toEqual([
      [{ ...PLAIN_CALL, service: "s1", timeoutMs: 3000 * 9999 }],
    ]);
  });
});

describe("problems", () => {
  test("are all reported at once, in line order, with place, path, expected, found and nearest", () => {
    const text = `apiVersion: v1
kind: Topology
service: {}
services:
  a:
    entry: true
    latenc: 1ms
    entri: true
    latency: { p50: x, p91: 1ms }
    errors: "5"
    calls: [B_b, { service: cc, timout: 1s, probability: 3 }, 5, []]
  B_b:
  c: { latency: 5, calls: "x", errors: { status: 200 }, replicas: -1 }
  d: { entry: true, calls: [e] }
  e: { calls: [d, e] }
`;
    expect(problemsOf(text)).toEqual([
      't.yaml:1:13: apiVersion: expected chain-link.dev/v1, found "v1"',
      't.yaml:3:1: service: expected one of apiVersion, kind, metadata, defaults, services, found "service" (did you mean "services"?)',
      't.yaml:7:5: services.a.latenc: expected one of entry, calls, latency, cpu, errors, response, memory, concurrency, rateLimit, startup, slowStart, replicas, pods, found "latenc" (did you mean "latency"?)',
      't.yaml:8:5: services.a.entri: expected one of entry, calls, latency, cpu, errors, response, memory, concurrency, rateLimit, startup, slowStart, replicas, pods, found "entri" (did you mean "entry"?)',
      't.yaml:9:21: services.a.latency.p50: expected a duration such as 2ms, 300us or 1.5s, found "x"',
      't.yaml:9:24: services.a.latency.p91: expected one of fixed, p50, p90, p99, uniform, normal, lognormal, exponential, probability, found "p91" (did you mean "p90"?)',
      't.yaml:10:13: services.a.errors: expected a percentage such as 0.5% or a number from 0 to 1, found "5"',
      't.yaml:11:29: services.a.calls[1].service: expected the name of a service in this document, found "cc" (did you mean "c"?)',
      't.yaml:11:33: services.a.calls[1].timout: expected one of service, probability, timeout, retries, retryOn, backoff, retryBudget, request, found "timout" (did you mean "timeout"?)',
      "t.yaml:11:58: services.a.calls[1].probability: expected a percentage such as 0.5% or a number from 0 to 1, found 3",
      "t.yaml:11:63: services.a.calls[2]: expected a call, or a list of concurrent calls, found 5",
      "t.yaml:11:66: services.a.calls[3]: expected at least one call, found an empty list",
      't.yaml:12:3: services.B_b: expected a DNS label: at most 63 lower-case letters, digits and hyphens, beginning with a letter, found "B_b"',
      "t.yaml:13:17: services.c.latency: expected a duration such as 2ms, or a distribution such as { p50, p90, p99 }, found 5",
      't.yaml:13:27: services.c.calls: expected a list of calls, found "x"',
      't.yaml:13:32: services.c.errors.rate: expected the key "rate", found nothing',
      "t.yaml:13:50: services.c.errors.status: expected a whole number from 400 to 599, found 200",
      "t.yaml:13:67: services.c.replicas: expected a whole number from 0 to 1000, found -1",
      't.yaml:14:15: services.d.entry: expected only one entry ("a" is already the entry), found a second entry',
      "t.yaml:15:16: services.e.calls[0]: expected calls without cycles, found d -> e -> d",
      "t.yaml:15:19: services.e.calls[1]: expected calls without cycles, found e -> e",
    ]);
  });

  test.each([
    ["", "t.yaml:1:1: expected a mapping, found null"],
    [
      "a: [1,",
      "t.yaml:1:7: expected YAML or JSON, found unexpected end of the stream within a flow collection",
    ],
    ["- x\n", 't.yaml:1:1: expected a mapping, found ["x"]'],
    [
      `${HEAD}chain: 3\nservices: { a: { entry: true } }\n`,
      "t.yaml:3:1: chain: expected chain or services, not both, found both",
    ],
    [`${HEAD}chain: 3\n---\n${HEAD}chain: 3\n`, "t.yaml:1:1: expected one document, found 2 documents"],
    [`${HEAD}chain: 0\n`, "t.yaml:3:8: chain: expected a whole number from 1 to 100000, found 0"],
    [`${HEAD}chain: 1e9\n`, "t.yaml:3:8: chain: expected a whole number from 1 to 100000, found 1000000000"],
    [`${HEAD}services: {}\n`, "t.yaml:3:11: services: expected at least one service, found an empty mapping"],
    [
      `${HEAD}services:\n  a: { calls: [b] }\n  b:\n`,
      't.yaml:3:1: services: expected one service with "entry: true" (no service calls "a"), found none',
    ],
    [
      `${HEAD}services:\n  a: { entry: true }\n  a: {}\n`,
      't.yaml:5:3: services.a: expected each key once, found a second "a"',
    ],
    [
      `${HEAD}services:\n  a: { entry: true, latency: { p50: 5ms, p90: 1ms } }\n`,
      't.yaml:4:30: services.a.latency: expected times in order: p50 <= p90 <= p99, minimum <= maximum, found {"p50":"5ms","p90":"1ms"}',
    ],
    [
      `${HEAD}services:\n  a: { entry: true, latency: { fixed: 1ms, exponential: 2ms } }\n`,
      't.yaml:4:30: services.a.latency: expected exactly one of fixed, p50, uniform, normal, lognormal, exponential, found {"fixed":"1ms","exponential":"2ms"}',
    ],
    [
      `${HEAD}services:\n  a: { entry: true, latency: { fixed: 1ms, p99: 2ms } }\n`,
      't.yaml:4:30: services.a.latency: expected p90 and p99 only together with p50, found {"fixed":"1ms","p99":"2ms"}',
    ],
    [
      `${HEAD}services:\n  a: { entry: true, latency: { uniform: [5ms] } }\n`,
      "t.yaml:4:32: services.a.latency.uniform[1]: expected a duration such as 2ms, 300us or 1.5s, found nothing",
    ],
    [
      `${HEAD}services:\n  a: { entry: true, response: -4KiB }\n`,
      't.yaml:4:31: services.a.response: expected a size such as 512B or 4KiB, found "-4KiB"',
    ],
    [
      `${HEAD}services:\n  a: { entry: true, replicas: 1.5 }\n`,
      "t.yaml:4:31: services.a.replicas: expected a whole number from 0 to 1000, found 1.5",
    ],
  ])("include those of %j", (text, problem) => {
    expect(problemsOf(text)).toContain(problem);
  });

  test.each([
    ["errors: { rate: 1%, kind: resett }", 'errors.kind: expected status, reset or silence, found "resett"'],
    [
      "errors: { rate: 1%, kind: reset, status: 500 }",
      'errors: expected status only with kind status, found {"rate":"1%","kind":"reset","status":500}',
    ],
    [
      "errors: [{ rate: 60% }, { rate: 41% }]",
      'errors: expected rates that add up to at most 100%, found [{"rate":"60%"},{"rate":"41%"}]',
    ],
    ["errors: []", "errors: expected at least one error, found an empty list"],
    ["errors: [5]", "errors[0]: expected a mapping, found 5"],
    [
      "errors: [{ rate: 1%, statu: 5 }]",
      'errors[0].statu: expected one of rate, kind, status, after, found "statu" (did you mean "status"?)',
    ],
    ["response: 65MiB", 'response: expected a size up to 64MiB, found "65MiB"'],
    [
      "response: { p50: 2KiB, p90: 1KiB }",
      'response: expected sizes in order: p50 <= p90 <= p99, minimum <= maximum, found {"p50":"2KiB","p90":"1KiB"}',
    ],
    [
      "response: { uniform: [1KiB] }",
      "response.uniform[1]: expected a size such as 512B or 4KiB, found nothing",
    ],
    [
      "response: true",
      "response: expected a size such as 4KiB, or a distribution such as { p50, p90, p99 }, found true",
    ],
    ["response: 40.5", "response: expected a size such as 512B or 4KiB, found 40.5"],
    ["memory: 65GiB", 'memory: expected a size up to 64GiB, found "65GiB"'],
    [
      "memory: { hold: 1MiB }",
      'memory.hold: expected one of held, perRequest, found "hold" (did you mean "held"?)',
    ],
    ["concurrency: 0", "concurrency: expected a whole number from 1 to 1000000, found 0"],
    ["concurrency: { queue: 5 }", 'concurrency.limit: expected the key "limit", found nothing'],
    ["concurrency: ten", 'concurrency: expected a whole number, or { limit, queue, wait }, found "ten"'],
    ["rateLimit: 0", "rateLimit: expected a number of requests per second, above 0, found 0"],
    [
      "rateLimit: 10/s",
      'rateLimit: expected a number of requests per second, or { perSecond, burst, status }, found "10/s"',
    ],
    ["slowStart: { factor: 2 }", 'slowStart.for: expected the key "for", found nothing'],
    ["slowStart: { for: 1s, factor: 0.5 }", "slowStart.factor: expected a number from 1 to 1000, found 0.5"],
    [
      "cpu: 300",
      "cpu: expected a duration such as 2ms, or a distribution such as { p50, p90, p99 }, found 300",
    ],
    ["calls: [{ sleep: x }]", 'calls[0].sleep: expected a duration such as 2ms, 300us or 1.5s, found "x"'],
    ["calls: [{ sleep: 1ms, service: a }]", 'calls[0].service: expected one of sleep, found "service"'],
    [
      "calls: [[{ sleep: 1ms }, 5]]",
      "calls[0][1]: expected the name of a service, { service, probability, timeout, retries } or { sleep }, found 5",
    ],
    [
      "calls: [[[a, b]]]",
      'calls[0][0]: expected the name of a service, { service, probability, timeout, retries } or { sleep }, found ["a","b"]',
    ],
    [
      "calls: [a, [a, [a]]]",
      'calls[1][1]: expected the name of a service, { service, probability, timeout, retries } or { sleep }, found ["a"]',
    ],
    ["calls: [[]]", "calls[0]: expected at least one call, found an empty list"],
    ["memory: { held: [1KiB] }", 'memory.held: expected a size such as 512B or 4KiB, found ["1KiB"]'],
    ["latency: { normal: [1ms, 2ms] }", 'latency.normal: expected a mapping, found ["1ms","2ms"]'],
    [
      "calls: [{ service: a, retryOn: [4xx] }]",
      'calls[0].retryOn[0]: expected 5xx, timeout, disconnect or a status, found "4xx"',
    ],
    [
      "calls: [{ service: a, retryOn: [200] }]",
      "calls[0].retryOn[0]: expected a whole number from 400 to 599, found 200",
    ],
    [
      "calls: [{ service: a, retryBudget: 2 }]",
      "calls[0].retryBudget: expected a percentage such as 0.5% or a number from 0 to 1, found 2",
    ],
    [
      "calls: [{ service: a, request: 17MiB }]",
      'calls[0].request: expected a size up to 16MiB, found "17MiB"',
    ],
  ])("include %s", (text, problem) => {
    const found = problemsOf(`${HEAD}services:\n  a: { entry: true, ${text} }\n`);
    const own = found.map((line) => line.replace(/^t.yaml:4:\d+: services\.a\./, ""));
    expect(own).toContain(problem);
    // The call to itself is also a cycle.
    expect(own.filter((line) => !line.includes("without cycles"))).toHaveLength(1);
  });

  test("any document of known keys gives a topology or a TopologyError, and a topology can be prepared", () => {
    const scalar = fc.constantFrom<unknown>(
      ..."1ms 0 5% 1KiB 64MiB a b status reset silence 5xx timeout".split(" "),
      0,
      1,
      0.5,
      500,
      -1,
      true,
      null,
    );
    const keys =
      "latency cpu errors response memory concurrency rateLimit perSecond burst startup slowStart calls entry rate kind status after held perRequest limit queue wait for factor service sleep retries retryOn backoff retryBudget request ratio minPerSecond fixed p50 p99 uniform normal mean deviation probability timeout";
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, depthSize: "medium" },
        scalar,
        fc.dictionary(fc.constantFrom(...keys.split(" ")), tie("value"), { maxKeys: 4 }),
        fc.array(tie("value"), { maxLength: 3 }),
      ),
    }));
    const service = fc.dictionary(fc.constantFrom(...keys.split(" ").slice(0, 12)), value, { maxKeys: 4 });
    const isPrepared: boolean[] = [];
    fc.assert(
      fc.property(service, service, (a, b) => {
        const text = `${HEAD}services: ${JSON.stringify({ a: { ...a, entry: true }, b })}`;
        try {
          const { services } = parseTopology(text, "t.yaml");
          for (const { behavior } of services.values()) {
            const runner = prepareDraws(behavior, () => () => 0.5);
            for (const draw of [runner.drawLatencyMs, runner.drawCpuMs, runner.drawResponseBytes]) {
              if (draw !== null) expect(draw()).toBeGreaterThanOrEqual(0);
            }
            runner.drawFault?.();
          }
          isPrepared.push(true);
        } catch (error) {
          if (!(error instanceof TopologyError)) throw error;
          for (const { line, column } of error.problems) expect(Math.min(line, column)).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
    // The check is worthless unless enough of the documents are valid.
    expect(isPrepared.length).toBeGreaterThan(20);
  });

  test("any text gives a topology or a TopologyError, nothing else", () => {
    const word = fc.constantFrom(
      "services:",
      "chain: 3",
      "a:",
      "  b: {",
      "- ",
      "[",
      "]",
      "&x",
      "*x",
      "? ",
      "|",
      "\n",
      " ",
      "!!binary",
      "'",
      '"',
      "\t",
      "#",
      "<<: *x",
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        problemsOf(HEAD + words.join(""));
        problemsOf(words.join(""));
      }),
      { numRuns: 500 },
    );
  });

  test("include a value that contains itself or grows without bound", () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}]`).join("\n");
    for (const text of [
      "&x [*x]",
      `${HEAD}\nservices: &x [*x]`,
      `${HEAD}\nl0: &l0 [x]\n${levels}\nservices: *l30`,
    ])
      expect(problemsOf(text).length).toBeGreaterThan(0);
  });

  test("include a deeply nested value, which does not crash", () => {
    expect(problemsOf(`${HEAD}services: ${"[".repeat(5000)}`).length).toBeGreaterThan(0);
    expect(
      problemsOf(`${HEAD}services:\n  a: { entry: true, calls: ${"[".repeat(90)}${"]".repeat(90)} }\n`)
        .length,
    ).toBeGreaterThan(0);
  });

  test("do not include service names that are inherited properties of every object", () => {
    expect(
      problemsOf(`${HEAD}services:\n  constructor: { entry: true, calls: [tostring] }\n  tostring:\n`),
    ).toEqual([]);
    expect(problemsOf(`${HEAD}services:\n  __proto__: { entry: true }\n`).length).toBeGreaterThan(0);
  });
});

describe("a single service", () => {
  test("is parsed with its name", () => {
    expect(parseService('{"calls":[{"service":"b","timeout":"9s"}]}', "a", "--service")).toMatchObject({
      name: "a",
      steps: [[{ service: "b", timeoutMs: 9000 }]],
    });
  });

  test("has problems that name the source", () => {
    expect(() => parseService('{"call":[]}', "a", "--service")).toThrow(
      "--service:1:2: call: expected one of",
    );
  });
});

describe("the JSON Schema", () => {
  const committed = readFileSync(join(ROOT, "topology.schema.json"), "utf8");
  const validate = new Ajv({ strict: false }).compile(JSON.parse(committed));

  test("is up to date with `npm run schema`", () => {
    expect(committed).toBe(renderTopologySchema());
  });

  test.each(["shop.yaml", "chain-5.yaml", "faults.yaml"])(
    "accepts examples/%s, and so does the parser",
    (name) => {
      const text = readFileSync(join(ROOT, "examples", name), "utf8");
      expect(validate(load(text))).toBe(true);
      expect(problemsOf(text)).toEqual([]);
    },
  );

  test("refuses an unknown key", () => {
    expect(validate({ ...(load(SHOP) as object), extra: 1 })).toBe(false);
  });
});
