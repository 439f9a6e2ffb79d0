import { UserError } from "../../lib/errors.ts";
import { idleTargetFlags, TARGET_FLAGS } from "../common/load-target.ts";
import type { CommandUse } from "../shell/command.ts";
import type { Setting } from "../shell/settings.ts";
import type { VerifyValues } from "./verify-flags.ts";

/** Flags of one use of verify that say nothing in another. */
const CLUSTER = ["namespace", "kubeconfig", "context", "request-timeout"];
const ENDLESS = ["serve", "links-at"];
const ENDING = ["run", "duration", "requests", "junit", "report", "expect"];
const PROOF = [
  ...["run", "since", "release", "forever", "graph", "links", "sleep-time", "rate", "duration", "sample"],
  ...["allow-loss", "expect"],
];
/** Of sending. */
const SENDING = ["sleep-time", "rate", "duration", "requests", "timeout", "sample"];
const { seed: _, ...LOCAL } = TARGET_FLAGS;

/** Flags that mean nothing in this use of verify. */
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
 * Flags that do not go together.
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
    throw new UserError("usage", "--run judges an earlier run, but something to send to was named, too");
  }
  if (flags.since !== null && flags.run === null) throw new UserError("usage", "--since needs --run");
  if (flags.propagation) refuse(PROOF, "is for the proof of spans, but --propagation was given");
  if (flags.forever) refuse(ENDING, "is for a run that ends, but --forever was given");
  else refuse(ENDLESS, "needs --forever");
  if (flags.release === null) {
    refuse(CLUSTER, "needs --release");
    return;
  }
  if (flags.forever) {
    const hint = "In a cluster a canary is deployed with the release: chain-link deploy --canary.";
    throw new UserError("usage", "--forever is for a URL or a topology, but --release was given", hint);
  }
  if (operands.length > 0) {
    throw new UserError("usage", "--release was given, but something else to send to was named, too");
  }
  refuse(Object.keys(LOCAL), "is for links that are started, but --release was given");
}
