// Reads and writes addresses as Zipkin does:
// https://github.com/openzipkin/zipkin/blob/master/zipkin/src/main/java/zipkin2/Endpoint.java

interface IpAddress {
  readonly family: "ipv4" | "ipv6";
  readonly text: string;
}

const GROUPS = 8;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** Keeps IPv4 as written and shortens IPv6; `undefined` if the text is not an address. */
export function readIpAddress(text: string): IpAddress | undefined {
  if (!text.includes(":")) return isIpv4(text) ? { family: "ipv4", text } : undefined;
  const [, embedded] = /^::(?:[fF0]{4}:)?([\d.]+)$/.exec(text) ?? [];
  if (embedded?.includes(".")) return isIpv4(embedded) ? { family: "ipv4", text: embedded } : undefined;
  const groups = readGroups(text);
  return groups && { family: "ipv6", text: formatGroups(groups) };
}

/** An address of 4 or 16 bytes. IPv4-compatible ones (`::1.2.3.4`, except `::1`) become IPv4. */
export function formatIpAddress(bytes: Uint8Array): IpAddress | undefined {
  if (bytes.length === 4) return { family: "ipv4", text: bytes.join(".") };
  if (bytes.length !== GROUPS * 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: GROUPS }, (_, index) => view.getUint16(index * 2));
  const isCompatible = groups.slice(0, 6).every((group) => group === 0) && view.getUint32(12) !== 1;
  if (isCompatible) return { family: "ipv4", text: bytes.subarray(12).join(".") };
  return { family: "ipv6", text: formatGroups(groups) };
}

/** Accepts leading zeros, as in `10.0.0.04`. Most endpoints have an IPv4 address, and a regular expression takes three times as long. */
function isIpv4(text: string): boolean {
  let [dots, digits, value] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT && digits > 0) [dots, digits, value] = [dots + 1, 0, 0];
    else {
      value = value * 10 + code - ZERO;
      if (code < ZERO || code > NINE || ++digits > 3 || value > 255) return false;
    }
  }
  return dots === 3 && digits > 0;
}

function readGroups(text: string): number[] | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const left = splitGroups(head);
  const right = splitGroups(tail ?? "");
  const missing = GROUPS - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill("0"), ...right];
  return groups.every((group) => /^0*[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined;
}

function splitGroups(text: string): string[] {
  return text === "" ? [] : text.split(":");
}

/**
 * The first longest run of zeros becomes `::`, even a run of one, which RFC 5952 would write out. Zeros at the end count
 * only if there are no others.
 */
function formatGroups(groups: readonly number[]): string {
  let [longest, length] = [-1, 0];
  for (let index = 0; index < GROUPS; index++) {
    let end = index;
    while (groups[end] === 0) end++;
    const isRun = end - index > length && (end < GROUPS || longest === -1);
    if (isRun) [longest, length] = [index, end - index];
    index = Math.max(index, end);
  }
  const words = groups.map((group) => group.toString(16));
  if (longest === -1) return words.join(":");
  return `${words.slice(0, longest).join(":")}::${words.slice(longest + length).join(":")}`;
}
