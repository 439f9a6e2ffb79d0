import type { LiveObject } from "../api/live-object.ts";
import type { KubernetesObject } from "../object.ts";

const SPEC_ANNOTATION = "chain-link.dev/spec";

/**
 * A Pod that says which spec was asked for. A webhook may rewrite an image when the Pod is created, and only then: what
 * lives differs from what is wanted for ever, though making the Pod again would change nothing.
 */
export function addSpecHash(object: KubernetesObject): KubernetesObject {
  if (object.kind !== "Pod") return object;
  const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(object.spec)).digest("hex").slice(0, 16);
  const annotations = { ...object.metadata.annotations, [SPEC_ANNOTATION]: hash };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Whether a Pod was made from exactly this spec, whatever admission made of it. */
export function isMadeFrom(live: LiveObject, object: KubernetesObject): boolean {
  const wanted = object.metadata.annotations?.[SPEC_ANNOTATION];
  return wanted !== undefined && live.metadata.annotations?.[SPEC_ANNOTATION] === wanted;
}
