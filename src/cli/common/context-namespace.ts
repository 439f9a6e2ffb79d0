import { UserError } from "../../lib/errors.ts";
import type { Setting } from "../shell/settings.ts";
import { RELEASE_FLAGS } from "./release-flags.ts";

/** kubectl's default namespace; minikube writes it into every context, so it is no choice of the user. */
const UNCHOSEN = "default";

/**
 * The namespace of the kubeconfig's context, as a setting, for a cluster command that got no `--namespace`. The config
 * file's value does not count while it is the original's default, which the first run writes.
 * @returns `null` when another source sets the namespace, or the kubeconfig has none
 */
export async function readContextNamespace(
  settings: readonly Setting[],
  values: Readonly<Record<string, unknown>>,
): Promise<Setting | null> {
  const { kubeconfig, context, release } = values;
  const current = settings.find(({ name }) => name === "namespace");
  const reachesCluster = typeof release === "string" && kubeconfig !== undefined;
  if (current === undefined || !reachesCluster || !isUnasked(current)) return null;
  const { openCluster } = await import("../../kubernetes/api/kubeconfig.ts");
  try {
    const { namespace, contextName } = openCluster({
      file: kubeconfig as string | null,
      context: context as string | null,
      environment: process.env,
    });
    if (namespace === null || namespace === UNCHOSEN) return null;
    return { ...current, value: namespace, text: namespace, origin: `context ${contextName}` };
  } catch (error) {
    // The command opens the kubeconfig again and reports the problem.
    if (error instanceof UserError) return null;
    throw error;
  }
}

function isUnasked({ value, origin }: Setting): boolean {
  const isInFile = origin.endsWith(": namespace");
  return origin === "default" || (isInFile && value === RELEASE_FLAGS.namespace.fallback);
}
