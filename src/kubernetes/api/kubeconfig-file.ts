// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { type Entry, FOLDER, PATH } from "./entry.ts";
import { parseKubeYaml } from "./kube-yaml.ts";

/** The content of one file, by name. */
export interface KubeconfigFile {
  readonly currentContext: string;
  readonly clusters: ReadonlyMap<string, Entry>;
  readonly users: ReadonlyMap<string, Entry>;
  readonly contexts: ReadonlyMap<string, Entry>;
}

// The types that kubectl requires. Unknown keys are ignored, and null means absent.
const text = v.nullish(v.string("expected text"), "");
const flag = v.nullish(v.boolean("expected true or false"), false);
/** Go's base64: padding is required, line breaks are ignored. */
const bytes = v.pipe(
  text,
  v.transform((it) => it.replaceAll(/[\r\n]/g, "")),
  v.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "expected base64"),
);
const texts = v.nullish(v.array(text, "expected a list of texts"));
const mapOf = <T extends v.GenericSchema>(value: T) =>
  v.nullish(v.record(v.string(), value, "expected keys with values"));

const CLUSTER = v.looseObject({
  server: text,
  "tls-server-name": text,
  "insecure-skip-tls-verify": flag,
  "certificate-authority": text,
  "certificate-authority-data": bytes,
  "proxy-url": text,
  "disable-compression": flag,
});
const USER = v.looseObject({
  "client-certificate": text,
  "client-certificate-data": bytes,
  "client-key": text,
  "client-key-data": bytes,
  token: text,
  tokenFile: text,
  as: text,
  "as-uid": text,
  "as-groups": texts,
  "as-user-extra": mapOf(texts),
  username: text,
  password: text,
  "auth-provider": v.nullish(v.looseObject({ name: text, config: mapOf(text) })),
  exec: v.nullish(
    v.looseObject({
      command: text,
      args: texts,
      env: v.nullish(v.array(v.looseObject({ name: text, value: text }))),
      apiVersion: text,
      installHint: text,
      provideClusterInfo: flag,
      interactiveMode: text,
    }),
  ),
});
const CONTEXT = v.looseObject({ cluster: text, user: text, namespace: text });
const listOf = <T extends v.GenericSchema>(key: string, entry: T) =>
  v.nullish(v.array(v.looseObject({ name: text, [key]: v.nullish(entry, {} as never) }), "expected a list"));

const FILE = v.looseObject(
  {
    apiVersion: v.nullish(v.picklist(["v1", ""], "expected v1")),
    kind: v.nullish(v.picklist(["Config", ""], "expected Config")),
    "current-context": text,
    clusters: listOf("cluster", CLUSTER),
    users: listOf("user", USER),
    contexts: listOf("context", CONTEXT),
  },
  "expected clusters, users and contexts",
);

/**
 * Reads one kubeconfig. Returns `null` when the file does not exist.
 * @throws {UserError} `kubeconfig-invalid`
 */
export function readKubeconfigFile(path: string): KubeconfigFile | null {
  let content: unknown;
  try {
    content = parseKubeYaml(decode(readFileSync(path)));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw invalid(path, `cannot be read: ${errorText(error)}`, error);
  }
  if (Array.isArray(content)) throw invalid(path, "expected clusters, users and contexts, found a list");
  const parsed = v.safeParse(FILE, content ?? {});
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
    throw invalid(path, problems.join("; "));
  }
  const { clusters, users, contexts, "current-context": currentContext } = parsed.output;
  return {
    currentContext,
    clusters: indexByName(clusters, "cluster", path),
    users: indexByName(users, "user", path),
    contexts: indexByName(contexts, "context", path),
  };
}

/** PowerShell's `>` writes UTF-16 with a byte order mark. */
function decode(content: Buffer): string {
  const isBigEndian = content[0] === 0xfe && content[1] === 0xff;
  const isUtf16 = isBigEndian || (content[0] === 0xff && content[1] === 0xfe);
  return new TextDecoder(isUtf16 ? (isBigEndian ? "utf-16be" : "utf-16le") : "utf-8").decode(content);
}

function indexByName(
  items: readonly Record<string, unknown>[] | null | undefined,
  key: string,
  path: string,
): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const item of items ?? []) {
    const name = item.name as string;
    if (entries.has(name)) throw invalid(path, `${key} ${JSON.stringify(name)} is defined twice`);
    // Paths in an entry are relative to the file that contains the entry.
    entries.set(name, { ...(item[key] as object), [FOLDER]: dirname(path), [PATH]: path });
  }
  return entries;
}

function invalid(path: string, problem: string, cause?: unknown): UserError {
  return new UserError(
    "kubeconfig-invalid",
    `kubeconfig ${path}: ${problem}`,
    "Fix the file, or choose another one with --kubeconfig.",
    { cause },
  );
}
