import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import { linkTo } from "../shell/address.ts";
import type { Period } from "../shell/period.tsx";
import { type Answer, readJson } from "../shell/request.ts";

/**
 * Who called whom in a part of time, and how often. A period without an end lasts until now by the server's clock: the
 * browser's may be another.
 */
export function readDependencies(
  { lookback, endTs }: Period,
  signal?: AbortSignal,
): Promise<Answer<readonly DependencyLink[]>> {
  return readJson(`page/dependencies${linkTo({ lookback, endTs })}`, signal);
}
