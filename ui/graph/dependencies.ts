import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import { linkTo } from "../shell/address.ts";
import type { Period } from "../shell/period.tsx";
import { type Answer, readJson } from "../shell/request.ts";

/**
 * Reads which service called which, and how often, in a period. A period without an end lasts until now by
 * the server's clock, because the browser's clock may differ.
 */
export function readDependencies(
  { lookback, endTs }: Period,
  signal?: AbortSignal,
): Promise<Answer<readonly DependencyLink[]>> {
  return readJson(`page/dependencies${linkTo({ lookback, endTs })}`, signal);
}
