import { isField } from "../../http/fields.ts";
import { UserError } from "../../lib/errors.ts";
import { headerProblem } from "../../load/request-template.ts";
import type { Header } from "../shell/flags.ts";

/** @throws {UserError} `usage` for a method or header that cannot be sent */
export function checkRequest({ header, method }: { header: readonly Header[]; method: string }): void {
  if (!isField(method, "")) throw unfit("--method: expected a method such as GET", method);
  for (const [name, value] of header) {
    const problem = headerProblem(name, value);
    // The value may be a secret.
    if (problem !== null) throw unfit(`--header: expected ${problem}`, `${name}: ***`);
  }
}

function unfit(what: string, found: string): UserError {
  return new UserError("usage", `${what}, found ${JSON.stringify(found)}`);
}
