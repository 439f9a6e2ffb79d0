import type { Output } from "./output.ts";

/** Whether a person can be asked. */
export function canAsk(output: Output): boolean {
  return output.isTerminal && process.stdin.isTTY === true;
}

/** Asks a question that is answered by y or n; no answer is no. */
export async function ask(question: string, output: Output): Promise<boolean> {
  output.print(`${question} [y/N] `);
  for await (const line of console) return /^\s*y(es)?\s*$/i.test(line);
  return false;
}
