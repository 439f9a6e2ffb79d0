import type { Output } from "./output.ts";

/** Whether a person is there to answer a prompt. */
export function canAsk(output: Output): boolean {
  return output.isTerminal && process.stdin.isTTY === true;
}

/** Prompts for y or n; end of input means no. */
export async function ask(question: string, output: Output): Promise<boolean> {
  output.print(`${question} [y/N] `);
  for await (const line of console) return /^\s*y(es)?\s*$/i.test(line);
  return false;
}
