/** How files of other kinds begin, as Latin-1. */
const SIGNATURES: readonly (readonly [start: string, name: string])[] = [
  ["<", "a web page or XML"],
  ["PK\x03\x04", "a zip archive"],
  ["\x28\xb5\x2f\xfd", "a file compressed with zstd, which has to be unpacked first"],
  ["BZh", "a file compressed with bzip2, which has to be unpacked first"],
  ["\xfd7zXZ", "a file compressed with xz, which has to be unpacked first"],
];

const SHOWN_CHARACTERS = 40;

/** Describes a file that cannot be JSON; `undefined` if it begins like an object or a list. */
export function describeForeign(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 1024)).trimStart();
  if (head === "") return "an empty file";
  if (/^[{[]/.test(head)) return undefined;
  const [, name] = SIGNATURES.find(([start]) => head.startsWith(start)) ?? [];
  if (name !== undefined) return name;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: text does not contain these
  if (/[\x00-\x08\x0e-\x1a]/.test(head)) return "binary data";
  const [line = ""] = new TextDecoder()
    .decode(bytes.subarray(0, 1024))
    .trimStart()
    .split(/[\r\n]/);
  return `text that begins with ${JSON.stringify(line.slice(0, SHOWN_CHARACTERS))}`;
}

/** The number of the line that contains a byte, from 1. */
export function lineAt(bytes: Uint8Array, at: number): number {
  let line = 1;
  for (
    let newline = bytes.indexOf(0x0a);
    newline >= 0 && newline < at;
    newline = bytes.indexOf(0x0a, newline + 1)
  )
    line++;
  return line;
}
