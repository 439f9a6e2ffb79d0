import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { DEFAULT_IMAGE } from "../../src/kubernetes/images.ts";
import { renderManifest } from "../../src/kubernetes/manifest-file.ts";
import type { KubernetesObject, ObjectOptions } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { UserError } from "../../src/lib/errors.ts";
import { buildChain } from "../../src/topology/chain.ts";
import type { Topology } from "../../src/topology/model.ts";
import { parseService, parseTopology } from "../../src/topology/parse.ts";

const SHOP = readFileSync(new URL("../fixtures/kubernetes/shop.yaml", import.meta.url), "utf8");
const OPTIONS = { namespace: "demo", image: "registry.example:5000/link:1.2.3", sleepSeconds: 7 };

/** As the API would see it, free to be looked into. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads fields of five kinds of objects
type Wire = any;

function objectsOf(topology: Topology, options: ObjectOptions = OPTIONS): Map<string, Wire> {
  return new Map(
    buildObjects(topology, options).map((object) => [
      `${object.kind}/${object.metadata.name}`,
      JSON.parse(JSON.stringify(object)),
    ]),
  );
}

function graph(services: string): Topology {
  return parseTopology(`{apiVersion: chain-link.dev/v1, kind: Topology, services: ${services}}`, "test");
}

function envOf(deployment: Wire): Record<string, string> {
  const [container] = deployment.spec.template.spec.containers;
  return Object.fromEntries(container.env.map(({ name, value }: Wire) => [name, value]));
}

/** Without what every link gets. */
function ownEnvOf(deployment: Wire): Record<string, string> {
  const { CHAIN_LINK_DRAIN: _drain, CHAIN_LINK_GRACE: _grace, ...own } = envOf(deployment);
  return own;
}

function podSpecOf(object: KubernetesObject): Wire {
  const { spec }: Wire = object;
  return object.kind === "Deployment" ? spec.template.spec : object.kind === "Pod" ? spec : undefined;
}

describe("a plain chain has the objects of the original", () => {
  const objects = objectsOf(buildChain(3));

  test("it has 2N+5 objects in the original's order", () => {
    expect([...objects.keys()]).toEqual([
      "Namespace/demo",
      "ConfigMap/chain-link-services",
      "Deployment/zipkin-deployment",
      "Service/zipkin-service",
      "Deployment/chain-link-deployment-0",
      "Deployment/chain-link-deployment-1",
      "Deployment/chain-link-deployment-2",
      "Service/chain-link-service-0",
      "Service/chain-link-service-1",
      "Service/chain-link-service-2",
      "Pod/loadgenerator",
    ]);
  });

  test("every object except the Namespace is in the namespace", () => {
    const namespaces = [...objects.values()].map((object) => object.metadata.namespace);
    expect(namespaces).toEqual([undefined, ...Array(10).fill("demo")]);
  });

  test("the Namespace has only a name", () => {
    expect(objects.get("Namespace/demo")).toEqual({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "demo" },
    });
  });

  test("the ConfigMap lists the links in services.json as Python writes JSON", () => {
    expect(objects.get("ConfigMap/chain-link-services").data).toEqual({
      "services.json": '["chain-link-service-0", "chain-link-service-1", "chain-link-service-2"]',
    });
  });

  test("Zipkin has a Deployment and a Service", () => {
    const labels = { app: "chain-link", instance: "zipkin" };
    const { spec } = objects.get("Deployment/zipkin-deployment");
    expect(spec.replicas).toBe(1);
    expect(spec.selector).toEqual({ matchLabels: labels });
    expect(spec.template.metadata.labels).toMatchObject(labels);
    expect(spec.template.spec.containers).toEqual([
      expect.objectContaining({
        name: "zipkin",
        image: "openzipkin/zipkin:3.6.1",
        imagePullPolicy: "IfNotPresent",
        ports: [{ containerPort: 9411 }],
      }),
    ]);
    const service = objects.get("Service/zipkin-service");
    expect(service.metadata.labels).toMatchObject(labels);
    expect(service.spec).toEqual({
      type: "ClusterIP",
      selector: labels,
      ports: [{ port: 80, targetPort: 9411 }],
    });
  });

  test("each link has a Deployment and a Service", () => {
    const labels = {
      app: "chain-link",
      instance: "1",
      "instance-name": "chain-link-1",
      "service-name": "chain-link-service-1",
    };
    const { apiVersion, spec } = objects.get("Deployment/chain-link-deployment-1");
    expect(apiVersion).toBe("apps/v1");
    expect(spec.replicas).toBe(1);
    expect(spec.selector).toEqual({ matchLabels: labels });
    expect(spec.template.metadata.labels).toMatchObject(labels);
    const pod = spec.template.spec;
    expect(pod.securityContext.runAsUser).toBe(10001);
    expect(pod.volumes).toContainEqual({
      name: "chain-link-services",
      configMap: { name: "chain-link-services" },
    });
    const [container, ...others] = pod.containers;
    expect(others).toEqual([]);
    expect(container).toMatchObject({
      name: "chain-link",
      image: OPTIONS.image,
      imagePullPolicy: "IfNotPresent",
      env: [
        { name: "CHAIN_LINK_SERVICE_NAME", value: "chain-link-service-1" },
        { name: "CHAIN_LINK_INSTANCES", value: "3" },
        { name: "CHAIN_LINK_DRAIN", value: "5s" },
        { name: "CHAIN_LINK_GRACE", value: "25s" },
      ],
      readinessProbe: {
        httpGet: { path: "/readiness", port: 8000 },
        initialDelaySeconds: 5,
        periodSeconds: 10,
      },
    });
    expect(container.volumeMounts).toContainEqual({
      name: "chain-link-services",
      mountPath: "/etc/chain-link.conf.d",
      readOnly: true,
    });
    expect(container).not.toContainAnyKeys(["command", "args", "ports", "livenessProbe"]);
    const service = objects.get("Service/chain-link-service-1");
    expect(service.metadata.labels).toMatchObject(labels);
    expect(service.spec).toEqual({
      type: "ClusterIP",
      selector: labels,
      ports: [{ port: 80, targetPort: 8000 }],
    });
  });

  test("the load generator is a Pod that sends requests to the first link", () => {
    const { metadata, spec } = objects.get("Pod/loadgenerator");
    expect(metadata.labels).toMatchObject({ app: "chain-link", service: "loadgenerator" });
    expect(spec.restartPolicy).toBe("Always");
    const [container, ...others] = spec.containers;
    expect(others).toEqual([]);
    expect(container).toMatchObject({
      name: "loadgenerator",
      image: OPTIONS.image,
      args: ["load", "http://chain-link-service-0", "--sleep-time", "7", "--serve", "0.0.0.0:8080"],
      ports: [{ containerPort: 8080 }],
      securityContext: { runAsUser: 65534 },
    });
  });

  test("the defaults are our image, the original's 60 seconds and the release chain-link", () => {
    const byDefault = new Map(
      buildObjects(buildChain(1), { namespace: "demo" }).map((object): [string, Wire] => [
        object.kind,
        object,
      ]),
    );
    const pod = byDefault.get("Pod");
    expect(pod.spec.containers[0].image).toBe(DEFAULT_IMAGE);
    expect(pod.spec.containers[0].args[3]).toBe("60");
    expect(pod.metadata.labels["app.kubernetes.io/instance"]).toBe("chain-link");
  });
});

describe.each([
  ["a chain", buildChain(2)],
  ["the objects of a graph", parseTopology(SHOP, "shop.yaml")],
])("every object of %s", (_, topology) => {
  const objects = buildObjects(topology, { ...OPTIONS, release: "blue" });
  const members = objects.filter(({ kind }) => kind !== "Namespace");
  const pods = objects.map(podSpecOf).filter((pod) => pod !== undefined);
  const containers: Wire[] = pods.flatMap((pod) => pod.containers);

  test("has the member labels on every object except the Namespace, and on its pods", () => {
    const templates: Wire[] = members.flatMap((object: Wire) => object.spec?.template ?? []);
    for (const { metadata } of [...members, ...templates]) {
      expect(metadata.labels).toMatchObject({
        "app.kubernetes.io/name": expect.stringMatching(/^(?:chain-link|zipkin|loadgenerator)$/),
        "app.kubernetes.io/instance": "blue",
        "app.kubernetes.io/part-of": "chain-link",
        "app.kubernetes.io/managed-by": "chain-link",
      });
    }
  });

  test("runs its pods without a token, service links and root", () => {
    for (const pod of pods) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      });
      expect(pod.securityContext.runAsUser ?? pod.containers[0].securityContext.runAsUser).toBeGreaterThan(0);
    }
  });

  test("runs its containers without capabilities, with a read-only root and a memory limit", () => {
    expect(containers.length).toBe(topology.services.size + 2);
    for (const container of containers) {
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        readOnlyRootFilesystem: true,
      });
      expect(container.resources).toEqual({
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
    }
  });

  test("has selectors that match only their own pods", () => {
    const templates: Wire[] = objects.flatMap((object: Wire) => object.spec?.template ?? []);
    const podLabels = [
      ...templates.map((template) => template.metadata.labels),
      objects.at(-1)?.metadata.labels,
    ];
    for (const object of objects as Wire[]) {
      const selector = object.kind === "Service" ? object.spec.selector : object.spec?.selector?.matchLabels;
      if (selector === undefined) continue;
      const matches = podLabels.filter((labels) =>
        Object.entries(selector).every(([key, value]) => labels[key] === value),
      );
      expect(matches).toHaveLength(1);
    }
  });

  test("fails a rollout after two minutes without progress", () => {
    for (const object of objects as Wire[])
      if (object.kind === "Deployment") expect(object.spec.progressDeadlineSeconds).toBe(120);
  });
});

test("a link ends by itself before the kubelet kills it, and after Services have stopped routing to it", () => {
  const deployment = objectsOf(buildChain(1)).get("Deployment/chain-link-deployment-0");
  const { CHAIN_LINK_DRAIN = "", CHAIN_LINK_GRACE = "" } = envOf(deployment);
  const [drain, grace] = [Number.parseInt(CHAIN_LINK_DRAIN, 10), Number.parseInt(CHAIN_LINK_GRACE, 10)];
  expect(drain).toBeGreaterThanOrEqual(5);
  expect(grace).toBeGreaterThan(2 * drain);
  expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(grace + 3);
});

test("with an existing collector, links send to it and no Zipkin is created", () => {
  const options = {
    ...OPTIONS,
    collector: { url: "http://zipkin.tracing:9411" },
    networkPolicy: "edges" as const,
  };
  const objects = objectsOf(buildChain(2), options);
  expect([...objects.keys()].filter((name) => name.includes("zipkin"))).toEqual([]);
  expect(envOf(objects.get("Deployment/chain-link-deployment-1")).CHAIN_LINK_ZIPKIN).toBe(
    "http://zipkin.tracing:9411",
  );
});

test("our own collector has Zipkin's object names, so links are configured alike", () => {
  const plain = objectsOf(buildChain(2));
  const objects = objectsOf(buildChain(2), { ...OPTIONS, collector: "embedded" });
  expect([...objects.keys()]).toEqual([...plain.keys()]);
  const name = "Deployment/zipkin-deployment";
  expect(objects.get(name).spec.selector).toEqual(plain.get(name).spec.selector);
  const { containers, securityContext } = objects.get(name).spec.template.spec;
  expect(containers).toMatchObject([{ image: OPTIONS.image, ports: [{ containerPort: 9411 }] }]);
  expect(containers[0].args.slice(0, 3)).toEqual(["collector", "--host", "0.0.0.0"]);
  expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10001 });
  for (const other of [...objects.keys()].filter((key) => key !== name))
    expect(objects.get(other)).toEqual(plain.get(other));
});

describe("our own collector on a volume", () => {
  const collectorStorage = { size: "1Gi", storageClass: null };
  const options = { ...OPTIONS, release: "shop", collector: "embedded" as const, collectorStorage };
  const objects = objectsOf(buildChain(2), options);
  const { spec } = objects.get("Deployment/zipkin-deployment");

  test("claims the requested size with the default storage class, before its Deployment", () => {
    const names = [...objects.keys()];
    const claim = "PersistentVolumeClaim/collector-storage";
    expect(names.indexOf(claim)).toBeLessThan(names.indexOf("Deployment/zipkin-deployment"));
    expect(objects.get(claim).metadata.labels["app.kubernetes.io/instance"]).toBe("shop");
    expect(objects.get(claim).spec).toEqual({
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
    });
  });

  test("claims the requested storage class", () => {
    const fast = objectsOf(buildChain(1), {
      ...options,
      collectorStorage: { size: "1Gi", storageClass: "fast" },
    });
    expect(fast.get("PersistentVolumeClaim/collector-storage").spec.storageClassName).toBe("fast");
  });

  test("writes to it through the volume's group and uses at most half of it", () => {
    const { containers, securityContext, volumes } = spec.template.spec;
    const [{ args, volumeMounts }] = containers;
    const [mount] = volumeMounts;
    expect(args[args.indexOf("--data") + 1]).toStartWith(`${mount.mountPath}/`);
    expect(Number(args[args.indexOf("--max-bytes") + 1])).toBe(2 ** 29);
    expect(volumes[0]).toEqual({
      name: mount.name,
      persistentVolumeClaim: { claimName: "collector-storage" },
    });
    expect(securityContext.fsGroup).toBe(securityContext.runAsUser);
  });

  test("never runs as two pods", () => {
    expect(spec.strategy).toEqual({ type: "Recreate" });
  });

  test("is absent when Zipkin is deployed", () => {
    const zipkin = objectsOf(buildChain(2), { ...options, collector: "zipkin" });
    expect(zipkin).toEqual(objectsOf(buildChain(2), { ...OPTIONS, release: "shop" }));
  });
});

test("Zipkin's heap fits within its memory limit with room for the JVM", () => {
  const deployment = objectsOf(buildChain(1)).get("Deployment/zipkin-deployment");
  const [container] = deployment.spec.template.spec.containers;
  const { JAVA_OPTS = "", MEM_MAX_SPANS = "" } = envOf(deployment);
  const heapMiB = Number(/-Xmx(\d+)m/.exec(JAVA_OPTS)?.[1]);
  const limitMiB = Number(/^(\d+)Mi$/.exec(container.resources.limits.memory)?.[1]);
  expect(heapMiB).toBeGreaterThan(0);
  expect(limitMiB - heapMiB).toBeGreaterThanOrEqual(192);
  expect((heapMiB * 2 ** 20) / Number(MEM_MAX_SPANS)).toBeGreaterThan(4500);
});

describe("a chain with options", () => {
  const parse = (text: string, slow = true) =>
    parseTopology(`{apiVersion: chain-link.dev/v1, kind: Topology, ${text}}`, "test", { slow });

  test("states that its slow request is off, and nothing else", () => {
    const objects = objectsOf(buildChain(2, { slow: false }));
    expect(ownEnvOf(objects.get("Deployment/chain-link-deployment-0"))).toEqual({
      CHAIN_LINK_SERVICE_NAME: "chain-link-service-0",
      CHAIN_LINK_INSTANCES: "2",
      CHAIN_LINK_SLOW: "off",
    });
  });

  test.each(["chain: 2", "chain: 2, defaults: { replicas: 3 }"])(
    "gives its links nothing more for %p",
    (text) => {
      for (const instance of [0, 1]) {
        const deployment = objectsOf(parse(text)).get(`Deployment/chain-link-deployment-${instance}`);
        expect(Object.keys(ownEnvOf(deployment))).toEqual([
          "CHAIN_LINK_SERVICE_NAME",
          "CHAIN_LINK_INSTANCES",
        ]);
      }
    },
  );

  test.each([
    [true, "defaults: { latency: 2ms }", "on"],
    [true, "defaults: { errors: { rate: 1%, status: 503 } }", "on"],
    [false, "defaults: { cpu: 300us, response: 4KiB }", "off"],
    [true, "defaults: { retries: 1 }", "on"],
    [true, "defaults: { timeout: 1s }", "on"],
    [true, "defaults: { retryBudget: 20% }", "on"],
    [true, "defaults: { request: 1KiB, startup: 5s, slowStart: 9s, memory: 1MiB, concurrency: 3 }", "on"],
  ])("gives a link its own entry (slow %p, %p)", (slow, defaults, expected) => {
    const topology = parse(`chain: 2, ${defaults}`, slow);
    const env = envOf(objectsOf(topology).get("Deployment/chain-link-deployment-0"));
    expect(env.CHAIN_LINK_SLOW).toBe(expected);
    const service = topology.services.get("chain-link-service-0");
    expect(parseService(env.CHAIN_LINK_SERVICE ?? "", "chain-link-service-0", "env")).toEqual({
      ...service,
      behavior: { ...service?.behavior, slow: null },
    } as never);
  });

  test("has the requested replicas", () => {
    const objects = objectsOf(parse("chain: 2, defaults: { replicas: 3 }"));
    expect(objects.get("Deployment/chain-link-deployment-1").spec.replicas).toBe(3);
  });
});

describe("the objects of a graph", () => {
  const topology = parseTopology(SHOP, "shop.yaml");
  const objects = objectsOf(topology);

  test("include a Deployment and a Service per service, named like it", () => {
    for (const { name, replicas } of topology.services.values()) {
      const selector = { app: "chain-link", "service-name": name };
      const { spec } = objects.get(`Deployment/${name}`);
      expect(spec.replicas).toBe(replicas);
      expect(spec.selector.matchLabels).toEqual(selector);
      expect(objects.get(`Service/${name}`).spec.selector).toEqual(selector);
    }
    expect(objects.size).toBe(2 * topology.services.size + 4);
  });

  test("include no services list: each link knows its callees", () => {
    expect([...objects.keys()].filter((key) => key.startsWith("ConfigMap/"))).toEqual([]);
    const mounted = podSpecOf(objects.get("Deployment/catalog")).volumes.map(({ name }: Wire) => name);
    expect(mounted).toEqual(["tmp"]);
  });

  test("give each link its own service entry", () => {
    for (const service of topology.services.values()) {
      const env = ownEnvOf(objects.get(`Deployment/${service.name}`));
      expect(Object.keys(env)).toEqual(["CHAIN_LINK_SERVICE_NAME", "CHAIN_LINK_SERVICE"]);
      const read = parseService(env.CHAIN_LINK_SERVICE ?? "", service.name, "env");
      expect({ ...read, replicas: service.replicas }).toEqual(service);
    }
  });

  test("give a link the memory and startup time that its topology requires", () => {
    const objects = objectsOf(
      graph(`{
        a: { entry: true, memory: { held: 100MiB, perRequest: 2MiB }, concurrency: 10, startup: 90s },
        b: { memory: { perRequest: 1MiB } },
        c: {}
      }`),
    );
    const facts = ["a", "b", "c"].map((name) => {
      const { spec } = objects.get(`Deployment/${name}`);
      const { limits, requests } = spec.template.spec.containers[0].resources;
      return [limits.memory, requests.memory, spec.progressDeadlineSeconds];
    });
    expect(facts).toEqual([
      ["376Mi", "164Mi", 210],
      ["320Mi", "64Mi", 120],
      ["256Mi", "64Mi", 120],
    ]);
  });

  test("have pod templates that do not depend on the replicas", () => {
    const scaled = objectsOf(parseTopology(SHOP.replace("replicas: 2", "replicas: 5"), "shop.yaml"));
    const [before, after] = [objects, scaled].map((all) => all.get("Deployment/catalog"));
    expect(after.spec.replicas).toBe(5);
    expect(after.spec.template).toEqual(before.spec.template);
  });

  test("include a load generator that sends requests to the entry", () => {
    expect(objects.get("Pod/loadgenerator").spec.containers[0].args[1]).toBe("http://frontend");
  });

  test("may include a service called zipkin, which gets no spans", () => {
    const named = objectsOf(graph("{ zipkin: { entry: true } }"));
    expect(named.get("Deployment/zipkin").spec.template.metadata.labels).not.toMatchObject(
      named.get("Service/zipkin-service").spec.selector,
    );
  });
});

describe("a topology that Kubernetes cannot hold is rejected", () => {
  function problemsOf(topology: Topology, namespace = "demo"): string {
    try {
      buildObjects(topology, { ...OPTIONS, namespace });
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).code).toBe("topology-invalid");
      return (error as UserError).message;
    }
    return "";
  }

  test("for every name that our own objects use, all at once", () => {
    const message = problemsOf(
      graph(
        "{ zipkin-service: { entry: true }, loadgenerator: {}, zipkin-deployment: {}, chain-link-services: {}, fine: {} }",
      ),
    );
    for (const name of ["zipkin-service", "loadgenerator", "zipkin-deployment", "chain-link-services"])
      expect(message).toContain(`service "${name}"`);
    expect(message).not.toContain("fine");
  });

  test("for a service called kubernetes, only in the namespace default", () => {
    const topology = graph("{ kubernetes: { entry: true } }");
    expect(problemsOf(topology)).toBe("");
    expect(problemsOf(topology, "default")).toContain('service "kubernetes"');
  });

  test("for a service entry too large for one environment variable", () => {
    const calls = Array.from({ length: 3000 }, () => "{ service: b, timeout: 1234ms }").join(", ");
    expect(problemsOf(graph(`{ a: { entry: true, calls: [${calls}] }, b: {} }`))).toMatch(
      /service "a": its calls take 1\d{5} bytes .* holds 102400/,
    );
  });

  test("for a services list too large for one ConfigMap", () => {
    expect(problemsOf(buildChain(40_000))).toMatch(/the list of services takes \d+ bytes/);
    expect(problemsOf(buildChain(30_000))).toBe("");
  });
});

test("the same input gives the same bytes, whatever was built before", () => {
  const render = () => buildObjects(buildChain(20), OPTIONS).map((object) => renderManifest(object).text);
  const first = render();
  buildObjects(parseTopology(SHOP, "shop.yaml"), { namespace: "other", release: "other" });
  expect(render()).toEqual(first);
});

test("a longer chain changes the services list and every link, so that all links roll out", () => {
  const render = (instances: number) =>
    buildObjects(buildChain(instances), OPTIONS).map((object) => renderManifest(object));
  const longer = new Map(render(3).map(({ name, text }) => [name, text]));
  const changed = render(2).filter(({ name, text }) => longer.get(name) !== text);
  expect(changed.map(({ name }) => name)).toEqual([
    "chain-link-services-configmap.yaml",
    "chain-link-deployment-0-deployment.yaml",
    "chain-link-deployment-1-deployment.yaml",
  ]);
});
