import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { ApiClient } from "../../src/kubernetes/api/client.ts";
import { openCluster } from "../../src/kubernetes/api/kubeconfig.ts";
import { runCli, temporaryFolder } from "../helpers/cli.ts";
import { describeLab } from "../helpers/describe-lab.ts";
import { buildLabImage } from "../helpers/image.ts";
import { LAB_START_MS } from "../helpers/lab.ts";

const STEP_MS = 120_000;
const NAME = `credentials-${process.pid}`;
const EXPIRED = join(import.meta.dir, "../fixtures/kubernetes/expired-server.pem");

type Entry = Record<string, unknown>;

describeLab("credentials against a real API server", (lab) => {
  const folder = temporaryFolder();
  let cluster: Entry;
  let admin: Entry;

  beforeAll(async () => {
    const config = JSON.parse((await lab.kubectl(["config", "view", "--raw", "-o", "json"])).stdout);
    cluster = config.clusters[0].cluster;
    admin = config.users[0].user;
    await lab.kubectl(["create", "namespace", NAME]);
    await lab.kubectl(["create", "serviceaccount", "robot", "-n", NAME]);
  }, LAB_START_MS);

  afterAll(async () => {
    await lab.kubectl(["delete", "namespace", NAME, "--wait=false"], { mayFail: true });
    await lab.kubectl(["delete", "csr", NAME, "--ignore-not-found"], { mayFail: true });
    folder[Symbol.dispose]();
  }, LAB_START_MS);

  test(
    "the API server accepts a certificate that it signed, from files, as data and from a credential plugin",
    async () => {
      const { key, cert } = await signCertificate();
      writeFileSync(join(folder.path, "u.key"), key);
      writeFileSync(join(folder.path, "u.crt"), cert);
      const files = { "client-certificate": "u.crt", "client-key": "u.key" };
      expect(await whoAmI(files)).toBe(NAME);
      const data = { "client-certificate-data": b64(cert), "client-key-data": b64(key) };
      expect(await whoAmI(data)).toBe(NAME);
      const status = { clientCertificateData: cert, clientKeyData: key };
      expect(await whoAmI({ exec: writePlugin(status) })).toBe(NAME);
    },
    STEP_MS,
  );

  test(
    "a plugin's token is accepted; an unknown token is requested once more and then reported",
    async () => {
      const token = await createToken();
      expect(await whoAmI({ exec: writePlugin({ token }) })).toBe(`system:serviceaccount:${NAME}:robot`);
      await expect(whoAmI({ exec: writePlugin({ token: "nonsense" }) })).rejects.toThrow(
        "does not accept the credentials",
      );
    },
    STEP_MS,
  );

  test(
    "a token file that is replaced during a run is read again",
    async () => {
      const path = join(folder.path, "token");
      writeFileSync(path, "old");
      const client = open({ tokenFile: "token" });
      await expect(askWho(client)).rejects.toThrow("does not accept");
      writeFileSync(path, await createToken());
      expect(await askWho(client)).toBe(`system:serviceaccount:${NAME}:robot`);
    },
    STEP_MS,
  );

  test(
    "an expired certificate is reported with its date",
    async () => {
      const pem = readFileSync(EXPIRED, "utf8");
      const user = { "client-certificate-data": b64(pem), "client-key-data": b64(pem) };
      const { exitCode, stderr } = await runCli(["status", "-n", NAME, "--kubeconfig", write(user)]);
      expect(stderr).toMatch(
        /does not accept the credentials of user "u" .*the certificate expired at \d{4}-/,
      );
      expect(exitCode).toBe(1);
    },
    STEP_MS,
  );

  test(
    "a user can impersonate another user",
    async () => {
      const name = `system:serviceaccount:${NAME}:robot`;
      expect(await whoAmI({ ...admin, as: name })).toBe(name);
      const kubeconfig = write({ ...admin, as: name });
      const { stderr } = await runCli(["status", "-n", NAME, "--kubeconfig", kubeconfig]);
      expect(stderr).toMatch(/secrets/);
    },
    STEP_MS,
  );

  test(
    "the server's certificate is verified against the kubeconfig's server name, or not at all if the kubeconfig says so",
    async () => {
      expect(await whoAmI(admin, { "tls-server-name": "kubernetes.default.svc" })).toBeString();
      await expect(whoAmI(admin, { "tls-server-name": "other.example" })).rejects.toThrow("cannot reach");
      const { "certificate-authority-data": _, ...unknown } = cluster;
      const place = { cluster: unknown };
      await expect(whoAmI(admin, {}, place)).rejects.toThrow("cannot reach");
      expect(await whoAmI(admin, { "insecure-skip-tls-verify": true }, place)).toBeString();
    },
    STEP_MS,
  );

  test(
    "requests go through the proxy that the kubeconfig names",
    async () => {
      const asked: string[] = [];
      const proxy = createServer();
      proxy.on("connect", (request, client, head) => {
        asked.push(request.url ?? "");
        const [host = "", port = ""] = (request.url ?? "").split(":");
        const upstream = connect(Number(port), host, () => {
          client.write("HTTP/1.1 200 OK\r\n\r\n");
          upstream.write(head);
          upstream.pipe(client).pipe(upstream);
        });
      });
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      try {
        const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
        expect(await whoAmI(admin, { "proxy-url": url })).toBeString();
        expect(asked).toEqual([String(cluster.server).replace("https://", "")]);
      } finally {
        proxy.closeAllConnections();
        proxy.close();
      }
    },
    STEP_MS,
  );

  test(
    "a pod without a kubeconfig uses its service account",
    async () => {
      const image = await buildLabImage();
      const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "inside" },
        spec: {
          restartPolicy: "Never",
          serviceAccountName: "robot",
          containers: [{ name: "inside", image, args: ["status", "-n", NAME] }],
        },
      };
      await lab.kubectl(["create", "-n", NAME, "-f", "-"], { input: JSON.stringify(pod) });
      const failed = ["--for=jsonpath={.status.phase}=Failed", "--timeout=200s"];
      await lab.kubectl(["wait", "-n", NAME, "pod/inside", ...failed]);
      const { stdout } = await lab.kubectl(["logs", "-n", NAME, "inside"]);
      expect(stdout).toContain("the pod's service account may not do all that is needed");
    },
    3 * STEP_MS,
  );

  function write(user: Entry, more: Entry = {}, { cluster: base } = { cluster }): string {
    const path = join(folder.path, "config");
    const config = {
      "current-context": "c",
      clusters: [{ name: "c", cluster: { ...base, ...more } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  function open(user: Entry, more: Entry = {}, place = { cluster }): ApiClient {
    return new ApiClient(
      openCluster({ file: write(user, more, place), context: null, environment: process.env }),
    );
  }

  function whoAmI(user: Entry, more: Entry = {}, place = { cluster }): Promise<string> {
    return askWho(open(user, more, place));
  }

  async function createToken(): Promise<string> {
    return (await lab.kubectl(["create", "token", "robot", "-n", NAME])).stdout.trim();
  }

  /** Writes a credential plugin that prints this status, and returns the entry that names it. */
  function writePlugin(status: Entry): Entry {
    const apiVersion = "client.authentication.k8s.io/v1";
    const path = join(folder.path, "plugin");
    const answer = JSON.stringify({ apiVersion, kind: "ExecCredential", status });
    writeFileSync(path, `#!/bin/sh\ncat <<'END'\n${answer}\nEND\n`);
    chmodSync(path, 0o755);
    return { apiVersion, command: path, interactiveMode: "Never" };
  }

  /** Follows https://kubernetes.io/docs/tasks/tls/certificate-issue-client-csr/. */
  async function signCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
    const path = join(folder.path, "signed.key");
    const made = Bun.spawnSync([
      ...["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes"],
      ...["-keyout", path, "-subj", `/CN=${NAME}`],
    ]);
    const spec = {
      request: b64(made.stdout.toString()),
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["client auth"],
    };
    const request = {
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { name: NAME },
      spec,
    };
    await lab.kubectl(["create", "-f", "-"], { input: JSON.stringify(request) });
    await lab.kubectl(["certificate", "approve", NAME]);
    await lab.kubectl(["wait", `csr/${NAME}`, "--for=jsonpath={.status.certificate}", "--timeout=60s"]);
    const { status } = await lab.query("get", "csr", NAME);
    return {
      key: readFileSync(path, "utf8"),
      cert: Buffer.from(status.certificate, "base64").toString(),
    };
  }
});

function b64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function askWho(client: ApiClient): Promise<string> {
  const review = await client.json<{ status: { userInfo: { username: string } } }>({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  });
  return review.status.userInfo.username;
}
