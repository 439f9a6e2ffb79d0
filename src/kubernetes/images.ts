import { VERSION } from "../lib/version.ts";

/** The image that runs links and load generators; its tag is the version of this package. */
export const DEFAULT_IMAGE = `ghcr.io/chain-link-dev/chain-link:${VERSION}`;

export const ZIPKIN_IMAGE = "openzipkin/zipkin:3.6.1";

/**
 * `IfNotPresent` for an image whose tag or digest stays the same, `Always` for `latest` and for no tag:
 * those mean another image tomorrow.
 */
export function imagePullPolicy(image: string): "Always" | "IfNotPresent" {
  if (image.includes("@")) return "IfNotPresent";
  // A colon before the last slash belongs to the registry's port: host:5000/name.
  const [, tag] = image.slice(image.lastIndexOf("/") + 1).split(":");
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}
