/**
 * Identifies a list of services: the first 16 hex digits of the SHA-256 of its JSON. A link sends it in the header
 * `chain-link-services` of `/readiness`, which tells a deployment which list the link serves.
 */
export function hashServices(names: Iterable<string>): string {
  return new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([...names]))
    .digest("hex")
    .slice(0, 16);
}
