import type { PodSettings } from "../topology/model.ts";

/** A value that JSON and YAML can hold. A key whose value is `undefined` is left out. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Plain[]
  | { readonly [key: string]: Plain };

export type Labels = Readonly<Record<string, string>>;

/** A Kubernetes object as its API takes it; plain data, so it can be rendered, compared and sent unchanged. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Absent on a Namespace. */
    readonly namespace?: string;
    readonly labels?: Labels;
    readonly annotations?: Labels;
  };
  readonly [field: string]: Plain;
}

/**
 * What takes the spans: Zipkin, our own collector in its place and under its names, or one that is there already, to
 * whose URL the links send; none is made then.
 */
export type CollectorChoice = "zipkin" | "embedded" | { readonly url: string };

/** A volume on which our own collector keeps its spans. */
export interface CollectorStorage {
  /** A quantity such as `1Gi`. */
  readonly size: string;
  /** `null` for the cluster's default. */
  readonly storageClass: string | null;
}

export type NetworkPolicyMode = "none" | "edges";

/** What the objects of one topology depend on besides the topology itself. */
export interface ObjectOptions {
  /** An RFC 1123 label, see `isNamespaceName`. */
  readonly namespace: string;
  /** Image of the links and of the load generator. @default DEFAULT_IMAGE */
  readonly image?: string;
  /** Seconds between two requests of the load generator. @default 60, as the original */
  readonly sleepSeconds?: number;
  /** @default "zipkin" */
  readonly collector?: CollectorChoice;
  /** Only with the collector `embedded`; `null` keeps its spans in memory. @default null */
  readonly collectorStorage?: CollectorStorage | null;
  /** `edges`: pods are reached over the topology's own edges only, see `buildNetworkPolicies`. @default "none" */
  readonly networkPolicy?: NetworkPolicyMode;
  /** A Deployment that verifies without end, see `buildCanary`. @default false */
  readonly canary?: boolean;
  /** What the cluster requires of every pod. @default nothing */
  readonly pods?: PodSettings;
  /** Value of the label `app.kubernetes.io/instance`. @default "chain-link" */
  readonly release?: string;
}
