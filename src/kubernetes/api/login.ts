// https://kubernetes.io/docs/reference/access-authn-authz/authentication/
import { X509Certificate } from "node:crypto";
import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import { findKeyPairProblem } from "./certificates.ts";
import type { ClientTls, CredentialContext, Credentials } from "./credentials.ts";
import { type Entry, text } from "./entry.ts";
import { PluginCredentials } from "./exec-plugin.ts";
import { OidcCredentials } from "./oidc.ts";
import { readTokenEnd } from "./token-end.ts";

/** Token files are re-read at this interval: service account tokens are replaced every hour. */
const TOKEN_FILE_MS = 60_000;

/**
 * Chooses the credentials of a user. As in kubectl, a token or password takes precedence over a plugin or provider, and a
 * certificate over a plugin.
 * @throws {UserError} `kubeconfig-invalid`, also for providers that kubectl has removed
 */
export function openCredentials(user: Entry, context: CredentialContext): Credentials {
  const own = readOwnCertificate(user, context);
  const hasHeader = ["token", "tokenFile", "username"].some((key) => text(user[key]) !== "");
  if (isRecord(user.exec) && !hasHeader && own.cert === undefined)
    return new PluginCredentials(user.exec, context);
  if (isRecord(user["auth-provider"])) {
    const provider = openProvider(user["auth-provider"], context);
    if (!hasHeader) return new CertifiedCredentials(provider, own);
  }
  return new StaticCredentials(own, user, context);
}

function readOwnCertificate(user: Entry, context: CredentialContext): ClientTls {
  const cert = pem(user["client-certificate-data"], () => context.file("client-certificate"));
  const key = pem(user["client-key-data"], () => context.file("client-key"));
  if (cert === null || key === null) return {};
  const problem = findKeyPairProblem(cert, key);
  if (problem === null) return { cert, key };
  throw new UserError(
    "kubeconfig-invalid",
    `${context.userName} in ${context.path}: ${problem}`,
    "Log in again, or set both with 'kubectl config set-credentials'.",
  );
}

function pem(data: unknown, readFile: () => string | null): string | null {
  return text(data) === "" ? readFile() : Buffer.from(text(data), "base64").toString();
}

/** `oidc` is the only provider that kubectl still supports. */
function openProvider(provider: Entry, context: CredentialContext): Credentials {
  if (provider.name === "oidc") return new OidcCredentials(provider, context);
  throw new UserError(
    "kubeconfig-invalid",
    `${context.userName} uses the auth provider ${JSON.stringify(provider.name)}, which Kubernetes has removed`,
    "Use an exec plugin: gke-gcloud-auth-plugin for gcp, kubelogin for azure.",
  );
}

/** Credentials of a provider combined with a client certificate. */
class CertifiedCredentials implements Credentials {
  readonly #provider: Credentials;
  readonly #own: ClientTls;
  #joined: ClientTls | null = null;

  constructor(provider: Credentials, own: ClientTls) {
    this.#provider = provider;
    this.#own = own;
  }

  headers(): Promise<Readonly<Record<string, string>>> {
    return this.#provider.headers();
  }

  renew(): Promise<boolean> {
    return this.#provider.renew();
  }

  joinTls(tls: ClientTls): ClientTls {
    this.#joined ??= { ...tls, ...this.#own };
    return this.#joined;
  }

  findTrouble(): string | null {
    return this.#provider.findTrouble();
  }
}

/** The user's token: from `tokenFile` while it is readable, otherwise `token`. */
class TokenSource {
  readonly #readFile: (() => string) | null;
  #known: string;
  #readAtMs = Number.NEGATIVE_INFINITY;

  /** @throws {UserError} when the file is unreadable and there is no other token */
  constructor(user: Entry, context: CredentialContext) {
    const isFile = text(user.tokenFile) !== "";
    this.#known = text(user.token);
    this.#readFile = isFile ? () => context.file("tokenFile")?.trim() ?? "" : null;
    if (isFile && this.#known === "") this.#known = context.file("tokenFile")?.trim() ?? "";
  }

  read(): string {
    if (performance.now() - this.#readAtMs > TOKEN_FILE_MS) this.#load();
    return this.#known;
  }

  /** Whether the file contains a new token. */
  reload(): boolean {
    const before = this.#known;
    this.#load();
    return this.#known !== before;
  }

  /** Keeps the last token while the file is absent or empty, because it may be being replaced. */
  #load(): void {
    if (this.#readFile === null) return;
    this.#readAtMs = performance.now();
    try {
      this.#known = this.#readFile() || this.#known;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
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
    const isNamed = text(username) !== "";
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

/** Returns when a certificate expires, or NaN when it does not say. */
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
