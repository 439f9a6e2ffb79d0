// https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
import { delimiter, isAbsolute, resolve } from "node:path";
import { errorText, UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";
import { findKeyPairProblem } from "./certificates.ts";
import type { ClientTls, CredentialContext, Credentials } from "./credentials.ts";
import type { Entry } from "./entry.ts";
import { parseKubeYaml } from "./kube-yaml.ts";

interface PluginStatus {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly expirationTimestamp?: string;
}

/** Clock tolerance: credentials that expire within this time are renewed. */
const EARLY_MS = 10_000;
/** A person may have to log in with a browser. */
const PERSON_MS = 300_000;
const ALONE_MS = 60_000;

/** Credentials from an exec plugin. */
export class PluginCredentials implements Credentials {
  readonly #exec: Entry;
  readonly #context: CredentialContext;
  #status: Promise<PluginStatus> | null = null;
  #known: PluginStatus = {};
  #renewing: Promise<boolean> | null = null;
  #joined: { readonly status: PluginStatus; readonly tls: ClientTls } | null = null;

  constructor(exec: Entry, context: CredentialContext) {
    this.#exec = exec;
    this.#context = context;
  }

  async headers(): Promise<Record<string, string>> {
    const { expirationTimestamp } = this.#known;
    if (expirationTimestamp !== undefined && Date.parse(expirationTimestamp) - EARLY_MS < Date.now()) {
      this.#status = null;
      this.#known = {};
    }
    this.#status ??= this.#run();
    this.#known = await this.#status;
    const { token } = this.#known;
    return token === undefined || token === "" ? {} : { Authorization: `Bearer ${token}` };
  }

  /** Concurrent refusals run the plugin only once. */
  renew(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renew(): Promise<boolean> {
    this.#status = null;
    this.#known = {};
    await this.headers();
    return true;
  }

  joinTls(tls: ClientTls): ClientTls {
    const status = this.#known;
    if (this.#joined?.status !== status) {
      const { clientCertificateData: cert, clientKeyData: key } = status;
      this.#joined = { status, tls: !cert || !key ? tls : { ...tls, cert, key } };
    }
    return this.#joined.tls;
  }

  findTrouble(): string | null {
    return null;
  }

  async #run(): Promise<PluginStatus> {
    const { apiVersion, interactiveMode, provideClusterInfo } = this.#exec;
    const isInteractive = interactiveMode !== "Never" && process.stdin.isTTY === true;
    if (interactiveMode === "Always" && !isInteractive) throw this.#failure("needs a terminal to ask at");
    const request = {
      apiVersion,
      kind: "ExecCredential",
      spec: {
        interactive: isInteractive,
        ...(provideClusterInfo === true ? { cluster: this.#context.clusterInfo } : {}),
      },
    };
    const output = await this.#ask(JSON.stringify(request), isInteractive);
    let answer: unknown;
    try {
      answer = parseKubeYaml(output);
    } catch (error) {
      throw this.#failure("did not print JSON", error);
    }
    if (!isRecord(answer)) throw this.#failure("did not print JSON");
    const found = answer;
    if (found.kind !== "ExecCredential" || found.apiVersion !== apiVersion) {
      throw this.#failure(
        `must print an ExecCredential of ${String(apiVersion)}, not ${String(found.kind)} of ${String(found.apiVersion)}`,
      );
    }
    const status = isRecord(found.status) ? (found.status as PluginStatus) : {};
    const { token = "", clientCertificateData: cert = "", clientKeyData: key = "" } = status;
    if (token === "" && cert === "" && key === "")
      throw this.#failure("returned neither a token nor a certificate");
    const problem = cert === "" && key === "" ? null : findKeyPairProblem(cert, key);
    if (problem !== null) throw this.#failure(`returned what cannot be used: ${problem}`);
    return status;
  }

  async #ask(request: string, isInteractive: boolean): Promise<string> {
    const { environment, timeoutMs = isInteractive ? PERSON_MS : ALONE_MS } = this.#context;
    const { args, env } = this.#exec;
    const added = Array.isArray(env)
      ? env.filter(isRecord).map((it) => [String(it.name), String(it.value)])
      : [];
    const words = [this.#findProgram(), ...(Array.isArray(args) ? args.map(String) : [])];
    let child: Bun.Subprocess<"inherit" | "ignore", "pipe", "inherit">;
    try {
      child = Bun.spawn(words, {
        env: { ...environment, ...Object.fromEntries(added), KUBERNETES_EXEC_INFO: request },
        stdin: isInteractive ? "inherit" : "ignore",
        stdout: "pipe",
        stderr: "inherit",
      });
    } catch (error) {
      throw this.#failure(`cannot be started: ${errorText(error)}`, error);
    }
    const late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), timeoutMs);
    try {
      // A child of the plugin may keep its output open after the plugin has exited.
      const ended = await Promise.race([Promise.all([child.stdout.text(), child.exited]), late.promise]);
      if (ended === null) throw this.#failure(`gave no answer for ${timeoutMs / 1000} s`);
      const [output, exitCode] = ended;
      if (exitCode !== 0) throw this.#failure(`ended with exit code ${exitCode}`);
      return output;
    } finally {
      clearTimeout(timer);
      child.kill();
    }
  }

  get #name(): string {
    return String(this.#exec.command ?? "");
  }

  /**
   * Resolves a plugin's name as kubectl does: a name with a slash is relative to the kubeconfig, any other is looked up on the PATH.
   * The lookup skips the working directory (`.` or an empty entry), where a stranger's program would run with our rights.
   */
  #findProgram(): string {
    const { folder, environment } = this.#context;
    if (this.#name.includes("/")) return resolve(folder, this.#name);
    const PATH = (environment.PATH ?? "").split(delimiter).filter(isAbsolute).join(delimiter);
    const found = Bun.which(this.#name, { PATH });
    if (found === null) throw this.#failure("cannot be started: it is not on the PATH");
    return found;
  }

  #failure(problem: string, cause?: unknown): UserError {
    const { installHint } = this.#exec;
    return new UserError(
      "credentials-invalid",
      // Without its arguments, which may contain a secret.
      `credential plugin ${this.#name} (for user ${this.#context.userName}) ${problem}`,
      typeof installHint === "string" && installHint !== ""
        ? installHint
        : "Check that 'kubectl auth whoami' works with this context.",
      { cause },
    );
  }
}
