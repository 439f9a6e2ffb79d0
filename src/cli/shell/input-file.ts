import { errorText, UserError } from "../../lib/errors.ts";

/**
 * The bytes of a file, and its name in messages; `-` is standard input.
 * @throws {UserError} `file-unreadable`
 */
export async function readInput(file: string): Promise<{ bytes: Uint8Array; name: string }> {
  try {
    const bytes = await (file === "-" ? Bun.stdin : Bun.file(file)).bytes();
    return { bytes, name: nameOf(file) };
  } catch (error) {
    throw new UserError("file-unreadable", `cannot read ${file}: ${errorText(error)}`, undefined, {
      cause: error,
    });
  }
}

/** As `readInput`, for a text in UTF-8. */
export async function readDocument(file: string): Promise<{ text: string; name: string }> {
  const { bytes, name } = await readInput(file);
  return { text: new TextDecoder().decode(bytes), name };
}

export function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}
