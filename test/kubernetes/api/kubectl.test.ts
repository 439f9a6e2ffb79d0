import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { Transport } from "../../../src/kubernetes/api/transport.ts";
import { makeCertificates, makeCommonNameOnly } from "../../helpers/certificates.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { startSite } from "./api-site.ts";
import { CASES, type Case } from "./kubectl-cases.ts";

const KUBECTL =
  process.env.CHAIN_LINK_KUBECTL ?? join(homedir(), ".cache", "chain-link-lab", "bin", "kubectl");
const NOTE = existsSync(KUBECTL)
  ? ""
  : ` (skipped: there is no kubectl at ${KUBECTL}; CHAIN_LINK_KUBECTL names one)`;

/** What a program did with a kubeconfig: its requests, the proxies it used, and its refusal. */
interface Conduct {
  readonly requests: readonly string[];
  readonly proxies: readonly string[];
  readonly refusal: string | null;
}

describe.skipIf(NOTE !== "")(`a kubeconfig is used as by kubectl${NOTE}`, () => {
  const folder = temporaryFolder();
  let site: Awaited<ReturnType<typeof startSite>>;

  beforeAll(async () => {
    const certificates = makeCertificates();
    site = await startSite(certificates, makeCommonNameOnly(), folder.path);
    writePrograms(folder.path, certificates.good);
    mkdirSync(join(folder.path, "authorities"));
    writeFileSync(join(folder.path, "authorities", "mine.pem"), certificates.authority);
    writeFileSync(join(folder.path, "bundle.pem"), `# CA of c\n${certificates.authority}\nthe end\n`);
  });
  afterAll(() => {
    site.close();
    folder[Symbol.dispose]();
  });

  async function observe(act: () => Promise<string | null>): Promise<Conduct> {
    site.seen.requests.length = 0;
    site.seen.proxies.length = 0;
    const refusal = await act();
    return { requests: site.seen.requests.map(withPlainInfo), proxies: [...site.seen.proxies], refusal };
  }

  function writeFiles({ config, encoding, files = {} }: Case): string | null {
    const textOf = (content: string | object) =>
      site.fill(typeof content === "string" ? content : JSON.stringify(content));
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder.path, name)), { recursive: true });
      writeFileSync(join(folder.path, name), textOf(content));
    }
    if (config === null) return null;
    const path = join(folder.path, "config");
    writeFileSync(path, encode(textOf(config), encoding));
    return path;
  }

  test.each(CASES.map((it) => [it.name, it] as const))("%s", async (_, it) => {
    const file = writeFiles(it);
    const env = {
      PATH: "/usr/bin:/bin",
      HOME: folder.path,
      ...Object.fromEntries(Object.entries(it.env ?? {}).map(([name, value]) => [name, site.fill(value)])),
    };
    const { context = null } = it;
    const kubectl = await observe(() => runKubectl(file, context, env, folder.path));
    const own = await observe(() => ask(file, context, env));
    if (own.refusal !== null) expect(own.refusal).toContain(it.says ?? own.refusal);
    const isSame =
      Bun.deepEquals(own.proxies, kubectl.proxies) &&
      Bun.deepEquals(own.requests, kubectl.requests) &&
      (own.refusal === null) === (kubectl.refusal === null);
    if (it.differs === undefined)
      expect({ ...own, refusal: own.refusal !== null }).toEqual({
        ...kubectl,
        refusal: kubectl.refusal !== null,
      });
    // A difference that is gone must not be listed.
    else expect(isSame).toBe(false);
  });

  test("at least 150 cases are compared", () => {
    expect(CASES.length).toBeGreaterThanOrEqual(150);
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  });
});

/** What the program printed when it failed; `null` when it did not. */
async function runKubectl(
  file: string | null,
  context: string | null,
  env: Record<string, string>,
  cwd: string,
): Promise<string | null> {
  const words = [KUBECTL, "get", "--raw", "/version"];
  if (file !== null) words.push("--kubeconfig", file);
  if (context !== null) words.push("--context", context);
  const child = Bun.spawn(words, { env, cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [text, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
  return exitCode === 0 ? null : text;
}

async function ask(
  file: string | null,
  context: string | null,
  environment: Record<string, string>,
): Promise<string | null> {
  try {
    const access = openCluster({ file, context, environment, credentialTimeoutMs: 5_000 });
    await new Transport(access, { patienceMs: 0, requestTimeoutMs: 5_000 }).text({
      method: "GET",
      path: "/version",
    });
    return null;
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
}

/** What `plugin-info` returns as its token is JSON in any order. */
function withPlainInfo(request: string): string {
  return request.replace(/Bearer (eyJ[\w+/=]{100,})$/, (_, info: string) => {
    const { apiVersion, kind, spec } = JSON.parse(Buffer.from(info, "base64").toString());
    return JSON.stringify({ apiVersion, kind, interactive: spec.interactive, ...spec.cluster });
  });
}

function encode(text: string, encoding: Case["encoding"]): string | Buffer {
  if (encoding === undefined) return text;
  if (encoding === "utf8-bom") return `\ufeff${text}`;
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return encoding === "utf16le" ? bytes : bytes.swap16();
}

/** Credential plugins beside the kubeconfig. */
function writePrograms(folder: string, { cert, key }: { readonly cert: string; readonly key: string }): void {
  const credential = (status: object) =>
    JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status });
  const programs = {
    plugin: `printf '%s' '${credential({ token: "@" })}' | sed "s/@/\${TOKEN:-beside}/"`,
    "plugin-info": `info=$(printf '%s' "$KUBERNETES_EXEC_INFO" | base64 -w 0); printf '%s' '${credential({ token: "@" })}' | sed "s|@|$info|"`,
    "plugin-certificate": `cat <<'END'\n${credential({ clientCertificateData: cert, clientKeyData: key })}\nEND`,
    "plugin-half": `cat <<'END'\n${credential({ clientCertificateData: cert })}\nEND`,
  };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}
