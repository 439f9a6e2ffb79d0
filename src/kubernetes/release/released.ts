import { apiUrl } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import { chainOf } from "../../topology/chain.ts";
import type { Service, Topology } from "../../topology/model.ts";
import { parseService } from "../../topology/parse.ts";
import { LOAD_GENERATOR } from "../load-generator.ts";
import type { KubernetesObject } from "../object.ts";
import { ZIPKIN_DEPLOYMENT, ZIPKIN_SERVICE } from "../zipkin.ts";
import { missingRelease } from "./release-namespace.ts";
import type { RevisionContent } from "./revision.ts";
import type { ReleaseStore } from "./store.ts";

/** What a revision's objects say about what runs. */
export interface Released {
  readonly topology: Topology;
  /** Image of the load generator. */
  readonly image: string;
  /** Its Pod, with what the cluster requires of pods. */
  readonly loadGenerator: KubernetesObject;
  readonly backend: ReleasedBackend;
}

/** Where the links send their spans: a Service and its port. `null`: to a place that is not known from here. */
export interface ReleasedBackend {
  readonly kind: "zipkin" | "collector";
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number } | null;
  /** The URL as links have it. */
  readonly url: string;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/** @throws {UserError} `release-invalid` when the objects are not those of a topology */
export function readReleased({ objects, release, namespace }: RevisionContent): Released {
  const invalid = (what: string) =>
    new UserError(
      "release-invalid",
      `the revision of release ${JSON.stringify(release)} has no ${what}: it was not made by this program`,
      "Deploy it again, or verify it by its URL.",
    );
  const find = (kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name === name);
  const loadGenerator = find("Pod", LOAD_GENERATOR);
  if (loadGenerator === undefined) throw invalid("load generator");
  const [container] = containersOf(loadGenerator);
  const entry = /^https?:\/\/([^/:]+)/.exec(container?.args?.[1] ?? "")?.[1];
  if (container === undefined || entry === undefined) throw invalid("load generator that names the entry");
  const environments = new Map(
    objects
      .filter(({ kind }) => kind === "Deployment")
      .flatMap((object) => {
        const env = envOf(containersOf(object)[0]);
        const name = env.get("CHAIN_LINK_SERVICE_NAME");
        return name === undefined ? [] : [[name, env] as const];
      }),
  );
  if (environments.size === 0) throw invalid("links");
  const zipkin = find("Deployment", ZIPKIN_DEPLOYMENT);
  return {
    topology: { name: release, kind: "graph", entry, services: readServices(environments) },
    image: container.image,
    loadGenerator,
    backend:
      zipkin === undefined
        ? readForeign([...environments.values()][0]?.get("CHAIN_LINK_ZIPKIN") ?? "", namespace)
        : {
            kind: containersOf(zipkin)[0]?.name === "collector" ? "collector" : "zipkin",
            service: { namespace, name: ZIPKIN_SERVICE, port: 80 },
            url: `http://${ZIPKIN_SERVICE}`,
          },
  };
}

/** A link of a plain chain has no entry of its own: its place says whom it calls. Deployments are in the topology's order. */
function readServices(
  environments: ReadonlyMap<string, ReadonlyMap<string, string>>,
): ReadonlyMap<string, Service> {
  const services = new Map(chainOf([...environments.keys()]).services);
  for (const [name, env] of environments) {
    const entry = env.get("CHAIN_LINK_SERVICE");
    if (entry !== undefined) services.set(name, parseService(entry, name, name));
  }
  return services;
}

/** A backend of others: reached where its name is that of a Service. */
function readForeign(url: string, namespace: string): ReleasedBackend {
  const { hostname, port, protocol, pathname } = new URL(
    URL.canParse(url) ? apiUrl(url, "zipkin", "/") : "http://-",
  );
  const [, name, other = namespace] =
    /^([a-z][a-z0-9-]*)(?:\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?)?$/.exec(hostname) ?? [];
  const isService = name !== undefined && protocol === "http:" && pathname === "/";
  return {
    kind: "zipkin",
    service: isService ? { namespace: other, name, port: Number(port || 80) } : null,
    url,
  };
}

function containersOf(object: KubernetesObject): readonly Container[] {
  type PodSpec = { readonly containers?: readonly Container[] };
  const spec = object.spec as (PodSpec & { readonly template?: { readonly spec?: PodSpec } }) | undefined;
  return spec?.template?.spec?.containers ?? spec?.containers ?? [];
}

function envOf(container: Container | undefined): ReadonlyMap<string, string> {
  return new Map(container?.env?.map(({ name, value }) => [name, value]));
}

/**
 * Reads the deployed revision; without one, the newest.
 * @throws {UserError} `release-not-found`, and what reading a revision throws
 */
export async function readDeployed(store: ReleaseStore): Promise<Released> {
  const revisions = await store.listRevisions();
  const deployed = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  if (deployed === undefined) throw await missingRelease(store);
  return readReleased(await store.readContent(deployed));
}
