import { errorText, UserError } from "../../lib/errors.ts";

/**
 * Reads a file's bytes, and returns them with its name for messages; `-` is standard input.
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

/** Like `readInput`, for UTF-8 text. */
export async function readDocument(file: string): Promise<{ text: string; name: string }> {
  const { bytes, name } = await readInput(file);
  return { text: new TextDecoder().decode(bytes), name };
}

export function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}
