import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type KubeconfigOptions, openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { renderYaml } from "../../../src/kubernetes/yaml.ts";
import { makeCertificates } from "../../helpers/certificates.ts";

export const CERTIFICATES = makeCertificates();

export const b64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig with one user. */
export function config(user: object, more: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "one",
    clusters: [
      {
        name: "c",
        cluster: {
          server: "https://c.example:6443/",
          "certificate-authority-data": b64(CERTIFICATES.authority),
        },
      },
    ],
    users: [{ name: "u", user }],
    contexts: [{ name: "one", context: { cluster: "c", user: "u", namespace: "ns" } }],
    ...more,
  };
}

export function openConfig(
  folder: string,
  content: object,
  context: string | null = null,
  more: Partial<KubeconfigOptions> = {},
) {
  const file = join(folder, "config");
  writeFileSync(file, renderYaml(content as never));
  return openCluster({ file, context, environment: process.env, ...more });
}
