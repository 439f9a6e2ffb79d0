import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";

/** One rule of a Role, as written in YAML. */
export interface RoleRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Returns the rules of the Role that docs/kubernetes.md documents. */
export function documentedRules(): RoleRule[] {
  const docs = readFileSync(join(import.meta.dir, "../../docs/kubernetes.md"), "utf8");
  const [, text = ""] = /```yaml\n([^`]*kind: Role\n[^`]*)```/.exec(docs) ?? [];
  return (Bun.YAML.parse(text) as { rules: RoleRule[] }).rules;
}

/** Creates a service account that has only the given Role. Writes its kubeconfig into `folder` and returns the path. */
export async function createDeployer(
  lab: Lab,
  namespace: string,
  folder: string,
  { name = "deployer", rules = documentedRules() } = {},
): Promise<string> {
  const apiGroup = "rbac.authorization.k8s.io";
  const metadata = { name, namespace };
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: `${apiGroup}/v1`, kind: "Role", metadata, rules },
    {
      ...{ apiVersion: `${apiGroup}/v1`, kind: "RoleBinding", metadata },
      roleRef: { apiGroup, kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
  ];
  await lab.kubectl(["create", "-f", "-"], {
    input: objects.map((it) => JSON.stringify(it)).join("\n---\n"),
  });
  const token = await lab.kubectl(["create", "token", name, "-n", namespace, "--duration=1h"]);
  const config = JSON.parse((await lab.kubectl(["config", "view", "--raw", "-o", "json"])).stdout);
  const users = [{ name: config.users[0].name, user: { token: token.stdout.trim() } }];
  const path = join(folder, `${namespace}-${name}.kubeconfig`);
  writeFileSync(path, JSON.stringify({ ...config, users }));
  return path;
}
