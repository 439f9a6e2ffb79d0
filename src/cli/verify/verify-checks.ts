import { UserError } from "../../lib/errors.ts";
import { idleTargetFlags, TARGET_FLAGS } from "../common/load-target.ts";
import type { CommandUse } from "../shell/command.ts";
import type { Setting } from "../shell/settings.ts";
import type { VerifyValues } from "./verify-flags.ts";

/** Flags of one use of verify that have no effect in another. */
const CLUSTER = ["namespace", "kubeconfig", "context", "request-timeout"];
const ENDLESS = ["serve", "links-at"];
const ENDING = [
  "run",
  "duration",
  "requests",
  "junit",
  "report",
  "expect",
  "expect-kept",
  "collector-metrics",
];
const PROOF = [
  ...["run", "since", "release", "forever", "graph", "links", "sleep-time", "rate", "duration", "sample"],
  ...["allow-loss", "expect", "sampled-out", "expect-kept", "collector-metrics"],
];
/** Flags about sending requests. */
const SENDING = ["sleep-time", "rate", "duration", "requests", "timeout", "sample"];
const { seed: _, ...LOCAL } = TARGET_FLAGS;

/** Flags that have no effect in this use of verify. */
export function idleVerifyFlags({ operands, isSet }: CommandUse): readonly string[] {
  return [
    ...idleTargetFlags(operands),
    ...(isSet("release") ? Object.keys(LOCAL) : CLUSTER),
    ...(isSet("run") ? [...Object.keys(LOCAL), ...SENDING] : []),
    ...(isSet("propagation") ? PROOF : []),
    ...(isSet("forever") ? ENDING : ENDLESS),
  ];
}

/**
 * Refuses flags that contradict each other.
 * @throws {UserError} `usage`
 */
export function checkFlags(
  flags: VerifyValues,
  operands: readonly string[],
  settings: readonly Setting[],
): void {
  const refuse = (names: readonly string[], why: string) => {
    const unfit = settings.find(({ name, origin }) => names.includes(name) && origin === `--${name}`);
    if (unfit !== undefined) throw new UserError("usage", `${unfit.origin} ${why}`);
  };
  if (flags.run !== null && operands.length > 0) {
    throw new UserError("usage", "--run judges an earlier run, so it takes no URL or topology");
  }
  if (flags["expect-kept"].length > 0 && flags["sampled-out"] !== "ok")
    throw new UserError("usage", "--expect-kept needs --sampled-out ok");
  if (flags.since !== null && flags.run === null) throw new UserError("usage", "--since needs --run");
  if (flags.propagation) refuse(PROOF, "has no effect with --propagation");
  if (flags.forever) refuse(ENDING, "is for a run that ends, so it cannot be used with --forever");
  else refuse(ENDLESS, "needs --forever");
  if (flags.release === null) {
    refuse(CLUSTER, "needs --release");
    return;
  }
  if (flags.forever) {
    const hint = "In a cluster, deploy a canary with the release: 'chain-link deploy --canary'.";
    throw new UserError("usage", "--forever needs a URL or a topology, but --release was given", hint);
  }
  if (operands.length > 0) {
    throw new UserError("usage", "--release was given, so verify takes no URL or topology");
  }
  refuse(Object.keys(LOCAL), "applies to links that are started here, but --release was given");
}
