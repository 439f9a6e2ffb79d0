import type { KubernetesObject } from "../object.ts";
import type { LiveMetadata, LiveObject } from "./live-object.ts";
import type { ApiRequest } from "./request.ts";
import { type Resource, resourcePath } from "./resource.ts";
import { hasReason, isNotFound } from "./status.ts";
import { JSON_TYPE, Transport } from "./transport.ts";

interface ApplyOptions {
  readonly manager: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Requests only `metadata`, which is a tenth of the bytes. */
  readonly metadataOnly?: boolean;
}

/** What a list returns besides its objects. */
interface ListEnd {
  /** Where a watch can start. */
  readonly resourceVersion: string;
}

/** Page size of a list: few requests per kind, and memory for one page only. */
const PAGE_SIZE = 200;
const METADATA_TYPE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST_TYPE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** Reads and writes the objects of one API server as raw JSON, so that unknown fields survive. */
export class ApiClient extends Transport {
  get(resource: Resource, namespace: string | null, name: string): Promise<LiveObject> {
    return this.json({ method: "GET", path: resourcePath(resource, namespace, name) });
  }

  /** Returns `null` when the object does not exist. */
  async find(resource: Resource, namespace: string | null, name: string): Promise<LiveObject | null> {
    try {
      return await this.get(resource, namespace, name);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /**
   * Yields every object of a collection, page by page, and adds `apiVersion` and `kind`, which lists omit. When the
   * server's continue token expires, the list starts again and `onRestart` is called.
   */
  async list(
    resource: Resource,
    namespace: string,
    options: ListOptions,
    onObject: (object: LiveObject) => void,
    onRestart: () => void = () => {},
  ): Promise<ListEnd> {
    let next = "";
    for (;;) {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
      if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
      if (next !== "") query.set("continue", next);
      const path = `${resourcePath(resource, namespace)}?${query}`;
      const accept = options.metadataOnly ? METADATA_LIST_TYPE : JSON_TYPE;
      let page: { metadata: { continue?: string; resourceVersion?: string }; items: LiveObject[] | null };
      try {
        page = await this.json({ method: "GET", path, accept });
      } catch (error) {
        if (next === "" || !hasReason(error, "Expired")) throw error;
        next = "";
        onRestart();
        continue;
      }
      const { apiVersion, kind } = resource;
      for (const item of page.items ?? []) onObject({ ...item, apiVersion, kind });
      next = page.metadata.continue ?? "";
      if (next === "") return { resourceVersion: page.metadata.resourceVersion ?? "" };
    }
  }

  /** Returns a whole collection. Only for collections known to be small. */
  async listAll(resource: Resource, namespace: string, options: ListOptions = {}): Promise<LiveObject[]> {
    const objects: LiveObject[] = [];
    await this.list(
      resource,
      namespace,
      options,
      (object) => objects.push(object),
      () => objects.splice(0),
    );
    return objects;
  }

  /** Server-side apply; creates the object if it does not exist. */
  apply(resource: Resource, object: KubernetesObject, options: ApplyOptions): Promise<LiveObject> {
    return this.json(applyRequest(resource, object, options));
  }

  /** Server-side apply that discards the resulting object: half of the bytes, and no parsing. */
  async send(resource: Resource, object: KubernetesObject, options: ApplyOptions): Promise<void> {
    await this.text({ ...applyRequest(resource, object, options), accept: METADATA_TYPE });
  }

  /** Creates an object. The caller must expect `AlreadyExists` from its own earlier attempt whose answer was lost. */
  create(
    resource: Resource,
    namespace: string | null,
    object: KubernetesObject,
    manager: string,
  ): Promise<LiveObject> {
    const path = `${resourcePath(resource, namespace)}?fieldManager=${manager}&fieldValidation=Strict`;
    return this.json({ method: "POST", path, body: object });
  }

  /** JSON merge patch (RFC 7386). A `resourceVersion` in the patch must match that of the live object. */
  mergePatch(
    resource: Resource,
    namespace: string | null,
    name: string,
    patch: unknown,
    manager: string,
  ): Promise<LiveObject> {
    return this.json({
      method: "PATCH",
      path: `${resourcePath(resource, namespace, name)}?fieldManager=${manager}`,
      body: patch,
      contentType: "application/merge-patch+json",
      isConditional: true,
    });
  }

  /** Deletes exactly this object, and its dependents in the background. An object that is already gone is not an error. */
  async delete(
    resource: Resource,
    namespace: string | null,
    name: string,
    preconditions: { readonly uid: string; readonly resourceVersion?: string },
  ): Promise<void> {
    const body = { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background", preconditions };
    try {
      await this.json({
        method: "DELETE",
        path: resourcePath(resource, namespace, name),
        body,
        isConditional: true,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function applyRequest(
  resource: Resource,
  object: KubernetesObject,
  { manager, force = false, dryRun = false }: ApplyOptions,
): ApiRequest {
  const { name, namespace = null } = object.metadata;
  const query = `fieldManager=${manager}&force=${force}&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  return {
    method: "PATCH",
    path: `${resourcePath(resource, namespace, name)}?${query}`,
    body: object,
    contentType: "application/apply-patch+yaml",
  };
}

/** Returns the preconditions of a deletion: the known `uid` and `resourceVersion`. */
export function exactly({ uid, resourceVersion }: LiveMetadata): { uid: string; resourceVersion: string } {
  return { uid, resourceVersion };
}
