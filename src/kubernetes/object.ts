import type { PodSettings } from "../topology/model.ts";

/** A value that JSON and YAML can represent. Keys whose value is `undefined` are omitted. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Plain[]
  | { readonly [key: string]: Plain };

export type Labels = Readonly<Record<string, string>>;

/** A Kubernetes object as its API accepts it: plain data that can be rendered, compared and sent unchanged. */
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
 * The trace collector: Zipkin, our own collector under Zipkin's object names, or the URL of an existing one, in which case none
 * is deployed.
 */
export type CollectorChoice = "zipkin" | "embedded" | { readonly url: string };

/** A volume on which our own collector stores its spans. */
export interface CollectorStorage {
  /** A quantity such as `1Gi`. */
  readonly size: string;
  /** `null` for the cluster's default storage class. */
  readonly storageClass: string | null;
}

type NetworkPolicyMode = "none" | "edges";

/** Everything besides the topology that determines its objects. */
export interface ObjectOptions {
  /** An RFC 1123 label; see `isNamespaceName`. */
  readonly namespace: string;
  /** Image of the links and of the load generator. @default DEFAULT_IMAGE */
  readonly image?: string;
  /** Seconds between two requests of the load generator. @default 60, as in the original */
  readonly sleepSeconds?: number;
  /** @default "zipkin" */
  readonly collector?: CollectorChoice;
  /** Only with collector `embedded`; `null` keeps spans in memory. @default null */
  readonly collectorStorage?: CollectorStorage | null;
  /** `edges` restricts traffic to the topology's edges; see `buildNetworkPolicies`. @default "none" */
  readonly networkPolicy?: NetworkPolicyMode;
  /** Whether to deploy a canary that verifies continuously; see `buildCanary`. @default false */
  readonly canary?: boolean;
  /** Settings that the cluster requires of every pod. @default none */
  readonly pods?: PodSettings;
  /** Value of the label `app.kubernetes.io/instance`. @default "chain-link" */
  readonly release?: string;
}
