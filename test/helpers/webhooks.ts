import { join } from "node:path";
import { temporaryFolder } from "./cli.ts";
import { LAB, type Lab } from "./lab.ts";

export interface Webhook {
  /** One of the paths of `webhook-server.ts`. */
  readonly path: string;
  readonly kind: "Mutating" | "Validating";
  readonly resources: readonly string[];
  readonly operations: readonly ("CREATE" | "UPDATE")[];
  readonly timeoutSeconds?: number;
}

/** Admission webhooks of the lab's API server, each for one namespace. */
export class Webhooks {
  readonly #lab: Lab;
  readonly #server: Bun.Subprocess<"pipe", "pipe", "ignore">;
  readonly #url: string;
  readonly #caBundle: string;
  readonly #folder: ReturnType<typeof temporaryFolder>;
  readonly #configured: string[] = [];

  private constructor(
    lab: Lab,
    server: Bun.Subprocess<"pipe", "pipe", "ignore">,
    url: string,
    caBundle: string,
    folder: ReturnType<typeof temporaryFolder>,
  ) {
    this.#lab = lab;
    this.#server = server;
    this.#url = url;
    this.#caBundle = caBundle;
    this.#folder = folder;
  }

  static async start(lab: Lab): Promise<Webhooks> {
    const folder = temporaryFolder();
    const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
    const request = [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      key,
    ];
    const subject = ["-subj", "/CN=webhooks", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert];
    await Bun.spawn([...request, ...subject], { stderr: "ignore" }).exited;
    const program = [process.execPath, join(import.meta.dir, "webhook-server.ts"), cert, key];
    const server = Bun.spawn([LAB, "run-in", ...program], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    const { value } = await server.stdout.getReader().read();
    const url = `https://127.0.0.1:${new TextDecoder().decode(value).trim()}`;
    return new Webhooks(lab, server, url, (await Bun.file(cert).bytes()).toBase64(), folder);
  }

  /** Returns the name of the webhook, which the API server includes in its error messages. */
  async add(
    namespace: string,
    { path, kind, resources, operations, timeoutSeconds = 10 }: Webhook,
  ): Promise<string> {
    const title = `${kind}-${namespace}-${this.#configured.length}`.toLowerCase();
    const name = `${title}.webhook.example`;
    const config = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: `${kind}WebhookConfiguration`,
      metadata: { name: title },
      webhooks: [
        {
          name,
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          timeoutSeconds,
          clientConfig: { url: `${this.#url}${path}`, caBundle: this.#caBundle },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          rules: [{ apiGroups: ["*"], apiVersions: ["*"], operations, resources, scope: "Namespaced" }],
        },
      ],
    };
    await this.#lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(config) });
    this.#configured.push(`${kind.toLowerCase()}webhookconfiguration/${title}`);
    return name;
  }

  async stop(): Promise<void> {
    if (this.#configured.length > 0) await this.#lab.kubectl(["delete", ...this.#configured]);
    await this.#server.stdin.end();
    await this.#server.exited;
    this.#folder[Symbol.dispose]();
  }
}
