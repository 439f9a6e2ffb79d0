import { parseSize } from "../lib/size.ts";

// RFC 1123 as Kubernetes reads it: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
const NAMESPACE = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, of those that a volume may have
const STORAGE_SIZE = /^[1-9]\d{0,6}(?:[MG]i?)$/;
const MIN_STORAGE_BYTES = 64 * 1024 ** 2;

// https://github.com/distribution/reference/blob/main/reference.go
const HOST =
  /(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*/;
const REGISTRY = new RegExp(`(?:${HOST.source}|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`);
const PATH_PART = /[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*/;
const REPOSITORY = new RegExp(`^(?:${REGISTRY.source}/)?${PATH_PART.source}(?:/${PATH_PART.source})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const MAX_REPOSITORY_LENGTH = 255;

/** Whether `text` is a valid namespace name: an RFC 1123 label of at most 63 characters. */
export function isNamespaceName(text: string): boolean {
  return NAMESPACE.test(text);
}

/** Whether `text` is a quantity that a volume for spans may have. */
export function isStorageSize(text: string): boolean {
  return STORAGE_SIZE.test(text) && (parseSize(text) ?? 0) >= MIN_STORAGE_BYTES;
}

/** Whether `text` is an image reference, `[registry[:port]/]path[:tag][@digest]`. */
export function isImageReference(text: string): boolean {
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return false;
  const tagAt = named.indexOf(":", named.lastIndexOf("/") + 1);
  const repository = tagAt < 0 ? named : named.slice(0, tagAt);
  if (tagAt >= 0 && !TAG.test(named.slice(tagAt + 1))) return false;
  return repository.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(repository);
}
