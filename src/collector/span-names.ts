import type { Span } from "../trace/span.ts";
import { NameCounts } from "./name-counts.ts";

/** The suggestions of Zipkin's page: names of services and of their spans, and values of some tags. */
export class SpanNames {
  readonly #autocompleteKeys: readonly string[];
  readonly #services = new NameCounts();
  readonly #spanNames = new NameCounts();
  readonly #remoteServices = new NameCounts();
  readonly #tagValues = new NameCounts();

  constructor(autocompleteKeys: readonly string[]) {
    this.#autocompleteKeys = autocompleteKeys;
  }

  add(span: Span): void {
    this.#count(span, add);
  }

  remove(span: Span): void {
    this.#count(span, remove);
  }

  services(): string[] {
    return this.#services.keys();
  }

  spanNames(serviceName: string): string[] {
    return this.#spanNames.names(serviceName);
  }

  remoteServices(serviceName: string): string[] {
    return this.#remoteServices.names(serviceName);
  }

  tagValues(key: string): string[] {
    return this.#tagValues.names(key);
  }

  #count({ localEndpoint, remoteEndpoint, name, tags }: Span, change: typeof add): void {
    const service = localEndpoint?.serviceName;
    if (service !== undefined) {
      change(this.#services, service, "");
      if (name !== undefined) change(this.#spanNames, service, name);
      const remote = remoteEndpoint?.serviceName;
      if (remote !== undefined) change(this.#remoteServices, service, remote);
    }
    for (const key of this.#autocompleteKeys)
      if (tags !== undefined && Object.hasOwn(tags, key)) change(this.#tagValues, key, tags[key] as string);
  }
}

function add(counts: NameCounts, key: string, name: string): void {
  counts.add(key, name);
}

function remove(counts: NameCounts, key: string, name: string): void {
  counts.remove(key, name);
}
