// https://kubernetes.io/docs/reference/access-authn-authz/authentication/
import { errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import type { ClientTls } from "./kubeconfig.ts";

/** Who we are to an API server. */
export interface Credentials {
  headers(): Promise<Readonly<Record<string, string>>>;
  /** What was true is no longer: gets new ones, or says that there are none. */
  renew(): Promise<boolean>;
  /** TLS with our own certificate, if we have one. The same object until that changes: connections are kept by it. */
  joinTls(tls: ClientTls): ClientTls;
}

export interface CredentialContext {
  readonly userName: string;
  /** The text of the file that the user's entry names under a key. */
  readonly file: (key: string) => string | null;
  readonly server: string;
  /** What a plugin is told of the cluster, if it asks. */
  readonly clusterInfo: Readonly<Record<string, unknown>>;
}

type Entry = Readonly<Record<string, unknown>>;

/** Tokens in files are replaced while we run: those of service accounts after an hour. */
const TOKEN_FILE_MS = 60_000;

/** @throws {UserError} `kubeconfig-invalid` for a way to log in that kubectl no longer has, too */
export function openCredentials(
  user: Entry,
  context: CredentialContext,
  environment: Readonly<Record<string, string | undefined>>,
): Credentials {
  if (isRecord(user.exec)) return new PluginCredentials(user.exec, context, environment);
  if (isRecord(user["auth-provider"])) return readProvider(user["auth-provider"], context);
  const own: ClientTls = {
    ...pem("cert", user["client-certificate-data"], () => context.file("client-certificate")),
    ...pem("key", user["client-key-data"], () => context.file("client-key")),
  };
  return new StaticCredentials(own, readToken(user, context));
}

function pem(name: "cert" | "key", data: unknown, readFile: () => string | null): ClientTls {
  const found = typeof data === "string" && data !== "" ? Buffer.from(data, "base64").toString() : readFile();
  return found === null ? {} : { [name]: found };
}

/** The `Authorization` header, read when it is needed. */
function readToken(user: Entry, context: CredentialContext): () => string | null {
  const { token, tokenFile, username, password } = user;
  if (typeof tokenFile === "string" && tokenFile !== "") {
    let known = "";
    let readAtMs = Number.NEGATIVE_INFINITY;
    return () => {
      if (performance.now() - readAtMs > TOKEN_FILE_MS) {
        known = context.file("tokenFile")?.trim() ?? "";
        readAtMs = performance.now();
      }
      return `Bearer ${known}`;
    };
  }
  if (typeof token === "string" && token !== "") return () => `Bearer ${token}`;
  if (typeof username === "string" && username !== "") {
    const pair = Buffer.from(`${username}:${String(password ?? "")}`).toString("base64");
    return () => `Basic ${pair}`;
  }
  return () => null;
}

class StaticCredentials implements Credentials {
  readonly #own: ClientTls;
  readonly #authorization: () => string | null;
  #joined: ClientTls | null = null;

  constructor(own: ClientTls, authorization: () => string | null) {
    this.#own = own;
    this.#authorization = authorization;
  }

  async headers(): Promise<Record<string, string>> {
    const authorization = this.#authorization();
    return authorization === null ? {} : { Authorization: authorization };
  }

  async renew(): Promise<boolean> {
    return false;
  }

  joinTls(tls: ClientTls): ClientTls {
    this.#joined ??= { ...tls, ...this.#own };
    return this.#joined;
  }
}

/** The deprecated OIDC provider: its token is used while it is valid; getting a new one is a plugin's work. */
function readProvider(provider: Entry, { userName }: CredentialContext): Credentials {
  const config = isRecord(provider.config) ? provider.config : {};
  const token = config["id-token"] ?? config["access-token"];
  if (typeof token !== "string" || token === "") {
    throw new UserError(
      "kubeconfig-invalid",
      `user ${JSON.stringify(userName)} logs in by the provider ${JSON.stringify(provider.name)}, which has no token`,
      "Use an exec plugin (kubectl oidc-login and the like), as kubectl itself asks for.",
    );
  }
  return new StaticCredentials({}, () => `Bearer ${token}`);
}

interface PluginStatus {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly expirationTimestamp?: string;
}

/** A program is asked who we are: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
class PluginCredentials implements Credentials {
  readonly #exec: Entry;
  readonly #context: CredentialContext;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  #status: Promise<PluginStatus> | null = null;
  #known: PluginStatus = {};
  #joined: { readonly status: PluginStatus; readonly tls: ClientTls } | null = null;

  constructor(
    exec: Entry,
    context: CredentialContext,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#exec = exec;
    this.#context = context;
    this.#environment = environment;
  }

  async headers(): Promise<Record<string, string>> {
    const { expirationTimestamp } = this.#known;
    // A little early: the clocks are not the same.
    if (expirationTimestamp !== undefined && Date.parse(expirationTimestamp) - 10_000 < Date.now()) {
      this.#status = null;
      this.#known = {};
    }
    this.#status ??= this.#run();
    this.#known = await this.#status;
    const { token } = this.#known;
    return token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  async renew(): Promise<boolean> {
    this.#status = null;
    this.#known = {};
    await this.headers();
    return true;
  }

  joinTls(tls: ClientTls): ClientTls {
    const status = this.#known;
    if (this.#joined?.status !== status) {
      const { clientCertificateData: cert, clientKeyData: key } = status;
      this.#joined = { status, tls: cert === undefined || key === undefined ? tls : { ...tls, cert, key } };
    }
    return this.#joined.tls;
  }

  async #run(): Promise<PluginStatus> {
    const { command, args, env, apiVersion, interactiveMode, provideClusterInfo, installHint } = this.#exec;
    const name = String(command ?? "");
    const words = Array.isArray(args) ? args.map(String) : [];
    const isInteractive = interactiveMode !== "Never" && process.stdin.isTTY === true;
    const request = {
      apiVersion,
      kind: "ExecCredential",
      spec: {
        interactive: isInteractive,
        ...(provideClusterInfo === true ? { cluster: this.#context.clusterInfo } : {}),
      },
    };
    const added = Array.isArray(env)
      ? env.filter(isRecord).map((it) => [String(it.name), String(it.value)])
      : [];
    const fail = (problem: string, cause?: unknown) =>
      new UserError(
        "credentials-invalid",
        `${name} ${words.join(" ")}, which is to say who ${this.#context.userName} is, ${problem}`,
        typeof installHint === "string" ? installHint : "Does kubectl work with this context?",
        { cause },
      );
    let output: string;
    let exitCode: number;
    try {
      const child = Bun.spawn([name, ...words], {
        env: {
          ...this.#environment,
          ...Object.fromEntries(added),
          KUBERNETES_EXEC_INFO: JSON.stringify(request),
        },
        stdin: isInteractive ? "inherit" : "ignore",
        stdout: "pipe",
        stderr: "inherit",
      });
      [output, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
    } catch (error) {
      throw fail(`cannot be started: ${errorText(error)}`, error);
    }
    if (exitCode !== 0) throw fail(`ended with exit code ${exitCode}`);
    let answer: unknown;
    try {
      answer = JSON.parse(output);
    } catch (error) {
      throw fail("did not print JSON", error);
    }
    const status = isRecord(answer) && isRecord(answer.status) ? (answer.status as PluginStatus) : {};
    if (status.token === undefined && status.clientCertificateData === undefined)
      throw fail("gave no credential");
    return status;
  }
}
