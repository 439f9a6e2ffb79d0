import type { ApiClient } from "../../src/kubernetes/api/client.ts";
import type { LiveObject } from "../../src/kubernetes/api/live-object.ts";
import {
  MEMBER_RESOURCES,
  RESOURCES,
  type Resource,
  resourcePath,
} from "../../src/kubernetes/api/resource.ts";
import { ApiError } from "../../src/kubernetes/api/status.ts";
import { followCollection } from "../../src/kubernetes/api/watch.ts";

const RELEASE_RESOURCES: readonly Resource[] = [...MEMBER_RESOURCES, RESOURCES.secret, RESOURCES.lease];
const LIMIT_RANGES: Resource = { apiVersion: "v1", kind: "LimitRange", plural: "limitranges" };
/** More than any node has, so that no node takes the pods and no kubelet spends seconds on each. */
const NO_NODE = {
  apiVersion: "v1",
  kind: "LimitRange",
  metadata: { name: "no-node" },
  spec: {
    limits: [
      {
        type: "Container",
        defaultRequest: { "ephemeral-storage": "900Ti" },
        default: { "ephemeral-storage": "900Ti" },
      },
    ],
  },
};
/** Reserved for documentation, so it never answers. */
const NO_ADDRESS = "192.0.2.1";
const FINALIZER = "chain-link.dev/test";
const WIPE_MS = 30_000;

/** Time that a pod takes to become ready and to end: longer than an answer, so that commands have to wait for it. */
const POD_STEP_MS = 300;

/**
 * A reusable namespace, because creating and deleting one costs the cluster more than a whole deploy. It reports the
 * status of its pods in place of a kubelet.
 */
export class TestNamespace {
  readonly #client: ApiClient;
  readonly name: string;
  readonly #end = new AbortController();

  private constructor(client: ApiClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  static async create(client: ApiClient, name: string): Promise<TestNamespace> {
    await client.create(
      RESOURCES.namespace,
      null,
      { apiVersion: "v1", kind: "Namespace", metadata: { name } },
      "test",
    );
    await client.create(LIMIT_RANGES, name, NO_NODE, "test");
    const namespace = new TestNamespace(client, name);
    namespace.#keepPods();
    return namespace;
  }

  /**
   * Returns the release's objects, its record and its lock as `Kind/name`, without objects that the cluster created
   * from them.
   */
  async list(): Promise<string[]> {
    const lists = await Promise.all(
      RELEASE_RESOURCES.map((resource) => this.#client.listAll(resource, this.name, { metadataOnly: true })),
    );
    return lists
      .flat()
      .filter(
        ({ metadata }) => metadata.ownerReferences === undefined && metadata.name !== "kube-root-ca.crt",
      )
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      .sort();
  }

  /** Gives Services a ready address, because pods without a node never become endpoints. */
  async addEndpoints(services: readonly string[]): Promise<void> {
    for (const service of services) {
      const slice = {
        apiVersion: RESOURCES.endpointSlice.apiVersion,
        kind: RESOURCES.endpointSlice.kind,
        metadata: { name: `test-${service}`, labels: { "kubernetes.io/service-name": service } },
        addressType: "IPv4",
        endpoints: [{ addresses: [NO_ADDRESS], conditions: { ready: true } }],
      };
      await this.#client.create(RESOURCES.endpointSlice, this.name, slice, "test");
    }
  }

  /** Removes everything without the code under test. */
  async wipe(): Promise<void> {
    const giveUpAtMs = performance.now() + WIPE_MS;
    for (;;) {
      const left = await this.list();
      if (left.length === 0) return;
      if (performance.now() > giveUpAtMs) throw new Error(`${this.name} keeps ${left.join(", ")}`);
      await Promise.all(
        RELEASE_RESOURCES.filter(({ kind }) => left.some((name) => name.startsWith(`${kind}/`))).map(
          (resource) =>
            this.#client.json({
              method: "DELETE",
              path: `${resourcePath(resource, this.name)}?fieldSelector=metadata.name%21%3Dkube-root-ca.crt`,
            }),
        ),
      );
      await Bun.sleep(POD_STEP_MS);
    }
  }

  async remove(): Promise<void> {
    await this.wipe();
    this.#end.abort();
    const { metadata } = await this.#client.get(RESOURCES.namespace, null, this.name);
    await this.#client.delete(RESOURCES.namespace, null, this.name, { uid: metadata.uid });
  }

  #keepPods(): void {
    const follower = {
      onObject: (pod: LiveObject) => void this.#advance(pod),
      onGone: () => {},
      onList: () => {},
    };
    void followCollection(this.#client, RESOURCES.pod, this.name, {}, follower, this.#end.signal);
  }

  /** Makes a new pod ready and ends a deleted one. */
  async #advance({ metadata, status }: LiveObject): Promise<void> {
    const isEnding = metadata.deletionTimestamp !== undefined;
    if (!isEnding && status?.phase === "Running") return;
    await Bun.sleep(POD_STEP_MS);
    const ready = { type: "Ready", status: "True" };
    const { name, uid } = metadata;
    const patch = (path: string, body: unknown) =>
      this.#client.json({
        method: "PATCH",
        path: `${resourcePath(RESOURCES.pod, this.name, name)}${path}`,
        contentType: "application/merge-patch+json",
        body,
      });
    try {
      if (isEnding) {
        await patch("", { metadata: { uid, finalizers: null } });
        return;
      }
      // Without a finalizer, a pod that never had a node disappears at once.
      await patch("", { metadata: { uid, finalizers: [FINALIZER] } });
      await patch("/status", { metadata: { uid }, status: { phase: "Running", conditions: [ready] } });
    } catch (error) {
      // The pod is gone, or another one has its name.
      if (!(error instanceof ApiError) || ![404, 409, 422].includes(error.status)) throw error;
    }
  }
}
