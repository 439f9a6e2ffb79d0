import { VERSION } from "../lib/version.ts";

/** Image of links and load generators. Its tag is the version of this package. */
export const DEFAULT_IMAGE = `ghcr.io/chain-link-dev/chain-link:${VERSION}`;

export const ZIPKIN_IMAGE = "openzipkin/zipkin:3.6.1";

/**
 * Returns `IfNotPresent` for a fixed tag or digest. Returns `Always` for `latest` and for a missing tag, which may refer to
 * another image tomorrow.
 */
export function imagePullPolicy(image: string): "Always" | "IfNotPresent" {
  if (image.includes("@")) return "IfNotPresent";
  // A colon before the last slash separates the registry's port: host:5000/name.
  const [, tag] = image.slice(image.lastIndexOf("/") + 1).split(":");
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}
