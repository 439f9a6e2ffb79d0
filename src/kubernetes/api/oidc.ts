// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#option-1-oidc-authenticator
import { errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { ClientTls, CredentialContext, Credentials } from "./credentials.ts";
import type { Entry } from "./entry.ts";
import { replaceTexts } from "./replace-texts.ts";
import { readTokenEnd } from "./token-end.ts";

const EARLY_MS = 10_000;
const TIMEOUT_MS = 20_000;

/** An ID token, and the refresh token that renews it. Both are written back, because an issuer may accept each refresh token only once. */
export class OidcCredentials implements Credentials {
  readonly #context: CredentialContext;
  readonly #issuer: string;
  readonly #clientId: string;
  readonly #clientSecret: string;
  readonly #ca: string | undefined;
  #idToken: string;
  #refreshToken: string;
  #renewing: Promise<boolean> | null = null;

  constructor(provider: Entry, context: CredentialContext) {
    const config = isRecord(provider.config) ? provider.config : {};
    const text = (key: string) => (typeof config[key] === "string" ? (config[key] as string) : "");
    this.#context = context;
    this.#issuer = text("idp-issuer-url").replace(/\/+$/, "");
    this.#clientId = text("client-id");
    this.#clientSecret = text("client-secret");
    this.#idToken = text("id-token");
    this.#refreshToken = text("refresh-token");
    const ca = text("idp-certificate-authority-data");
    this.#ca = ca === "" ? undefined : Buffer.from(ca, "base64").toString();
  }

  async headers(): Promise<Record<string, string>> {
    const isOver = this.#idToken === "" || readTokenEnd(this.#idToken) - EARLY_MS < Date.now();
    if (isOver && !(await this.renew())) throw this.#failure("has no token, and none to get another with");
    return { Authorization: `Bearer ${this.#idToken}` };
  }

  renew(): Promise<boolean> {
    this.#renewing ??= this.#refresh().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  joinTls(tls: ClientTls): ClientTls {
    return tls;
  }

  findTrouble(): string | null {
    return null;
  }

  async #refresh(): Promise<boolean> {
    if (this.#refreshToken === "" || this.#issuer === "") return false;
    const known = await this.#ask(`${this.#issuer}/.well-known/openid-configuration`, {});
    // RFC 6749, section 6
    const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: this.#refreshToken });
    const pair = `${encodeURIComponent(this.#clientId)}:${encodeURIComponent(this.#clientSecret)}`;
    const answer = await this.#ask(String(known.token_endpoint), {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(pair).toString("base64")}` },
      body: form,
    });
    const { id_token: idToken, refresh_token: refreshToken = this.#refreshToken } = answer;
    if (typeof idToken !== "string" || typeof refreshToken !== "string")
      throw this.#failure(`got no token from ${this.#issuer}`);
    replaceTexts(this.#context.path, [
      [this.#idToken, idToken],
      [this.#refreshToken, refreshToken],
    ]);
    this.#idToken = idToken;
    this.#refreshToken = refreshToken;
    return true;
  }

  async #ask(url: string, request: RequestInit): Promise<Record<string, unknown>> {
    const { timeoutMs = TIMEOUT_MS } = this.#context;
    let text: string;
    try {
      const response = await fetch(url, {
        ...request,
        signal: AbortSignal.timeout(timeoutMs),
        tls: { rejectUnauthorized: true, ...(this.#ca === undefined ? {} : { ca: this.#ca }) },
      });
      text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 200)}`);
      const answer: unknown = JSON.parse(text);
      return isRecord(answer) ? answer : {};
    } catch (error) {
      throw this.#failure(`cannot get a token from ${url}: ${errorText(error)}`, error);
    }
  }

  #failure(problem: string, cause?: unknown): UserError {
    return new UserError("credentials-invalid", `${this.#context.userName} ${problem}`, "Log in again.", {
      cause,
    });
  }
}
