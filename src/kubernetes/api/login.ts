// https://kubernetes.io/docs/reference/access-authn-authz/authentication/
import { X509Certificate } from "node:crypto";
import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { ClientTls, CredentialContext, Credentials } from "./credentials.ts";
import type { Entry } from "./entry.ts";
import { PluginCredentials } from "./exec-plugin.ts";
import { OidcCredentials } from "./oidc.ts";
import { readTokenEnd } from "./token-end.ts";

/** Tokens in files are replaced while we run: those of service accounts after an hour. */
const TOKEN_FILE_MS = 60_000;

/** @throws {UserError} `kubeconfig-invalid` for a way to log in that kubectl no longer has, too */
export function openCredentials(user: Entry, context: CredentialContext): Credentials {
  if (isRecord(user.exec)) return new PluginCredentials(user.exec, context);
  if (isRecord(user["auth-provider"])) return openProvider(user["auth-provider"], context);
  const own: ClientTls = {
    ...pem("cert", user["client-certificate-data"], () => context.file("client-certificate")),
    ...pem("key", user["client-key-data"], () => context.file("client-key")),
  };
  return new StaticCredentials(own, user, context);
}

function pem(name: "cert" | "key", data: unknown, readFile: () => string | null): ClientTls {
  const found = typeof data === "string" && data !== "" ? Buffer.from(data, "base64").toString() : readFile();
  return found === null ? {} : { [name]: found };
}

/** `oidc` is the one provider that kubectl still has. */
function openProvider(provider: Entry, context: CredentialContext): Credentials {
  if (provider.name === "oidc") return new OidcCredentials(provider, context);
  throw new UserError(
    "kubeconfig-invalid",
    `${context.userName} logs in by the provider ${JSON.stringify(provider.name)}, which Kubernetes no longer has`,
    "Use an exec plugin: gke-gcloud-auth-plugin for gcp, kubelogin for azure.",
  );
}

/** A token, read when it is needed. */
class TokenSource {
  readonly #readFile: (() => string) | null;
  readonly #text: string;
  #known = "";
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor({ token, tokenFile }: Entry, context: CredentialContext) {
    const isFile = typeof tokenFile === "string" && tokenFile !== "";
    this.#readFile = isFile ? () => context.file("tokenFile")?.trim() ?? "" : null;
    this.#text = typeof token === "string" ? token : "";
  }

  read(): string {
    if (this.#readFile === null) return this.#text;
    if (performance.now() - this.#readAtMs > TOKEN_FILE_MS) this.#load(this.#readFile);
    return this.#known;
  }

  /** Whether another one stands in the file by now. */
  reload(): boolean {
    const before = this.#known;
    if (this.#readFile !== null) this.#load(this.#readFile);
    return this.#known !== before;
  }

  #load(readFile: () => string): void {
    this.#known = readFile();
    this.#readAtMs = performance.now();
  }
}

class StaticCredentials implements Credentials {
  readonly #own: ClientTls;
  readonly #token: TokenSource;
  readonly #basic: string | null;
  #joined: ClientTls | null = null;

  constructor(own: ClientTls, user: Entry, context: CredentialContext) {
    this.#own = own;
    this.#token = new TokenSource(user, context);
    const { username, password = "" } = user;
    const isNamed = typeof username === "string" && username !== "";
    this.#basic = isNamed ? Buffer.from(`${username}:${String(password)}`).toString("base64") : null;
  }

  async headers(): Promise<Record<string, string>> {
    const token = this.#token.read();
    if (token !== "") return { Authorization: `Bearer ${token}` };
    return this.#basic === null ? {} : { Authorization: `Basic ${this.#basic}` };
  }

  async renew(): Promise<boolean> {
    return this.#token.reload();
  }

  joinTls(tls: ClientTls): ClientTls {
    this.#joined ??= { ...tls, ...this.#own };
    return this.#joined;
  }

  findTrouble(): string | null {
    const { cert } = this.#own;
    const certificateEndMs = cert === undefined ? Number.NaN : readEnd(cert);
    if (certificateEndMs < Date.now()) return `the certificate expired at ${instant(certificateEndMs)}`;
    const tokenEndMs = readTokenEnd(this.#token.read());
    return tokenEndMs < Date.now() ? `the token expired at ${instant(tokenEndMs)}` : null;
  }
}

/** When a certificate ends; not a number when it says nothing. */
function readEnd(pem: string): number {
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return Number.NaN;
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
