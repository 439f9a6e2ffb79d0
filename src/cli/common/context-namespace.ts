import { UserError } from "../../lib/errors.ts";
import type { Setting } from "../shell/settings.ts";
import { RELEASE_FLAGS } from "./release-flags.ts";

/** What kubectl uses when nobody chose a namespace; minikube writes it into every context. */
const UNCHOSEN = "default";

/**
 * The namespace of the kubeconfig's context, as a setting, for a command that reaches a cluster and was told no other. The
 * configuration file's value counts as none while it is the original's default, which every first run writes.
 * @returns `null` where another namespace holds, or the kubeconfig says none
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
    // The command opens it again, and says what is wrong.
    if (error instanceof UserError) return null;
    throw error;
  }
}

function isUnasked({ value, origin }: Setting): boolean {
  const isInFile = origin.endsWith(": namespace");
  return origin === "default" || (isInFile && value === RELEASE_FLAGS.namespace.fallback);
}
