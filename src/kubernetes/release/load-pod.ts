import { UserError } from "../../lib/errors.ts";
import { type ApiServerProxy, proxyTo } from "../api/api-server-proxy.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES } from "../api/resource.ts";
import { buildLoadSpec, LOAD_GENERATOR_PORT } from "../load-generator.ts";
import type { KubernetesObject, Plain } from "../object.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import { findPodTrouble } from "./pod-trouble.ts";
import type { ReleaseStore } from "./store.ts";

interface LoadPodOptions {
  /** 16 hex digits; the Pod has them in its name. */
  readonly run: string;
  readonly entry: string;
  readonly image: string;
  /** The release's own, which the cluster accepts. */
  readonly loadGenerator: KubernetesObject;
  /** Flags of `load` that say how much it sends. */
  readonly pace: readonly string[];
  /** When the cluster ends it, whatever became of us. */
  readonly deadlineMs: number;
}

/** Says of which release: no label of members, as `deploy` and `delete` would wait for it. */
export const VERIFY_LABEL = "chain-link.dev/verify";
/** For the image to be there and the process to listen. */
const START_MS = 90_000;
const POLL_MS = 500;
/** What a Pod does not get over by waiting. */
const HOPELESS = /^(ErrImage|ImagePull|InvalidImage|CreateContainer|CrashLoop|the container ended)/;

/**
 * A Pod that sends to a release for as long as it is verified. The release's parent owns it, so that it goes with the release; the cluster
 * ends it after its time when nobody deletes it, and the next one removes what is left of it.
 */
export class LoadPod {
  readonly name: string;
  readonly proxy: ApiServerProxy;
  readonly #store: ReleaseStore;
  readonly #uid: string;

  private constructor(store: ReleaseStore, { metadata }: LiveObject) {
    this.name = metadata.name;
    this.#store = store;
    this.#uid = metadata.uid;
    const port = LOAD_GENERATOR_PORT;
    this.proxy = proxyTo(store.client, store.namespace, { kind: "pods", name: metadata.name, port });
  }

  static async create(store: ReleaseStore, options: LoadPodOptions): Promise<LoadPod> {
    const { client, namespace, release } = store;
    await removeEnded(store);
    const parent = await store.readParent();
    const owner = parent?.live.metadata;
    const { annotations } = options.loadGenerator.metadata;
    const pod = await client.create(
      RESOURCES.pod,
      namespace,
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
          name: `chain-link-verify-${options.run}`,
          namespace,
          labels: { "app.kubernetes.io/managed-by": "chain-link", [VERIFY_LABEL]: release },
          ...(annotations === undefined ? {} : { annotations }),
          ...(owner === undefined
            ? {}
            : {
                ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: owner.name, uid: owner.uid }],
              }),
        },
        spec: { ...buildSpec(options), activeDeadlineSeconds: Math.ceil(options.deadlineMs / 1000) },
      },
      FIELD_MANAGER,
    );
    return new LoadPod(store, pod);
  }

  /**
   * Resolves when it runs.
   * @throws {UserError} `start-failed`
   */
  async waitUntilRunning(signal: AbortSignal): Promise<void> {
    const { client, namespace } = this.#store;
    const giveUpMs = performance.now() + START_MS;
    for (;;) {
      signal.throwIfAborted();
      const pod = await client.find(RESOURCES.pod, namespace, this.name);
      const phase = pod?.status?.phase;
      if (phase === "Running") return;
      const trouble = pod === null ? "somebody deleted it" : findPodTrouble(pod)?.text;
      const isHopeless = pod === null || phase === "Failed" || HOPELESS.test(trouble ?? "");
      if (isHopeless || performance.now() > giveUpMs) {
        throw new UserError(
          "start-failed",
          `the Pod ${this.name} that is to send the requests does not run: ${trouble ?? `it is ${phase ?? "not there"}`}`,
          "Is its image, the load generator's, there, and has the namespace room for another Pod?",
        );
      }
      await Bun.sleep(POLL_MS);
    }
  }

  /** One that is gone already is fine. */
  delete(): Promise<void> {
    const { client, namespace } = this.#store;
    return client.delete(RESOURCES.pod, namespace, this.name, { uid: this.#uid });
  }
}

/** As the release's load generator, which runs where its pods may run, and under a user that the cluster allows. */
function buildSpec({ entry, pace, run, image, loadGenerator }: LoadPodOptions) {
  const own = buildLoadSpec(entry, [...pace, "--run", run], image, "Never");
  const { imagePullSecrets, nodeSelector, tolerations, securityContext, containers } =
    loadGenerator.spec as Readonly<Record<string, Plain>>;
  const [container] = (containers ?? []) as readonly { readonly securityContext?: Plain }[];
  return {
    ...own,
    imagePullSecrets,
    nodeSelector,
    tolerations,
    securityContext: securityContext ?? own.securityContext,
    containers: own.containers.map((it) => ({
      ...it,
      securityContext: container?.securityContext ?? it.securityContext,
    })),
  };
}

/** Pods of verifications whose process was killed. */
async function removeEnded({ client, namespace, release }: ReleaseStore): Promise<void> {
  const pods = await client.listAll(RESOURCES.pod, namespace, {
    labelSelector: `${VERIFY_LABEL}=${release}`,
  });
  const ended = pods.filter(({ status }) => status?.phase === "Succeeded" || status?.phase === "Failed");
  await Promise.all(
    ended.map(({ metadata }) =>
      client.delete(RESOURCES.pod, namespace, metadata.name, { uid: metadata.uid }),
    ),
  );
}
