import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openInCluster } from "../../../src/kubernetes/api/in-cluster.ts";
import type { UserError } from "../../../src/lib/errors.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { b64, CERTIFICATES, config, openConfig } from "./config.ts";

const API_VERSION = "client.authentication.k8s.io/v1";
const PLUGIN = { apiVersion: API_VERSION, interactiveMode: "Never" };

function writePlugin(folder: string, ...lines: readonly string[]): void {
  writeFileSync(join(folder, "plugin"), `#!/bin/sh\n${lines.join("\n")}\n`);
  chmodSync(join(folder, "plugin"), 0o755);
}

function answer(status: string): string {
  return `echo '{"apiVersion":"${API_VERSION}","kind":"ExecCredential","status":${status}}'`;
}

describe("an exec credential plugin", () => {
  const exec = { apiVersion: API_VERSION, command: "./plugin", interactiveMode: "IfAvailable" };

  test("is found next to a kubeconfig given by a relative path", async () => {
    using folder = temporaryFolder();
    writePlugin(folder.path, answer('{"token":"t"}'));
    const home = process.cwd();
    process.chdir(folder.path);
    try {
      const access = openConfig("", config({ exec }), null, { environment: { PATH: process.env.PATH } });
      expect(await access.headers()).toEqual({ Authorization: "Bearer t" });
    } finally {
      process.chdir(home);
    }
  });

  test("is found on the PATH, but never in the working directory", async () => {
    using folder = temporaryFolder();
    writePlugin(folder.path, answer('{"token":"t"}'));
    const ask = (PATH: string) =>
      openConfig(folder.path, config({ exec: { ...exec, command: "plugin" } }), null, {
        environment: { PATH },
      }).headers();
    const home = process.cwd();
    process.chdir(folder.path);
    try {
      expect(await ask(`.::${folder.path}:/usr/bin:/bin`)).toEqual({ Authorization: "Bearer t" });
      for (const PATH of [".:/usr/bin:/bin", ":/usr/bin", "/usr/bin:", ""])
        await expect(ask(PATH)).rejects.toThrow("cannot be started: it is not on the PATH");
    } finally {
      process.chdir(home);
    }
  });

  test("runs once, and again after the server rejects its token", async () => {
    const { cert, key } = CERTIFICATES.good;
    using folder = temporaryFolder();
    writePlugin(
      folder.path,
      `echo x >> ${folder.path}/calls`,
      `n=$(wc -l < ${folder.path}/calls)`,
      answer(
        `{"token":"'$EXTRA$n'","clientCertificateData":${JSON.stringify(cert)},"clientKeyData":${JSON.stringify(key)}}`,
      ).replace("echo", "printf '%s'"),
    );
    const user = { exec: { ...exec, env: [{ name: "EXTRA", value: "t" }] } };
    const access = openConfig(folder.path, config(user));
    expect(await access.headers()).toEqual({ Authorization: "Bearer t1" });
    expect(await access.headers()).toEqual({ Authorization: "Bearer t1" });
    expect(access.tls).toMatchObject({ cert, key });
    // Requests under way at the same time are refused together.
    expect(await Promise.all([access.renew(), access.renew(), access.renew()])).toEqual([true, true, true]);
    expect(await access.headers()).toEqual({ Authorization: "Bearer t2" });
  });

  test("runs again before its token expires", async () => {
    using folder = temporaryFolder();
    writePlugin(
      folder.path,
      `echo x >> ${folder.path}/calls`,
      answer(`{"token":"t'$(wc -l < ${folder.path}/calls)'","expirationTimestamp":"2020-01-01T00:00:00Z"}`),
    );
    const access = openConfig(folder.path, config({ exec }));
    expect(await access.headers()).toEqual({ Authorization: "Bearer t1" });
    expect(await access.headers()).toEqual({ Authorization: "Bearer t2" });
  });

  test("receives the cluster when it asks for it", async () => {
    using folder = temporaryFolder();
    writePlugin(
      folder.path,
      `printf %s "$KUBERNETES_EXEC_INFO" > ${folder.path}/info`,
      answer('{"token":"t"}'),
    );
    const extensions = [{ name: "client.authentication.k8s.io/exec", extension: { audience: "a" } }];
    const clusters = [{ name: "c", cluster: { server: "https://c", "tls-server-name": "n", extensions } }];
    const user = { exec: { ...exec, provideClusterInfo: true } };
    await openConfig(folder.path, config(user, { clusters })).headers();
    expect(JSON.parse(readFileSync(join(folder.path, "info"), "utf8"))).toEqual({
      apiVersion: API_VERSION,
      kind: "ExecCredential",
      spec: {
        interactive: false,
        cluster: { server: "https://c", "tls-server-name": "n", config: { audience: "a" } },
      },
    });
  });

  test.each([
    ["is not there", { command: "/nowhere/plugin" }, "cannot be started"],
    ["fails", { command: "/bin/false" }, "exit code 1"],
    ["prints no JSON", { command: "/bin/pwd" }, "JSON"],
    [
      "speaks of another version",
      { command: "/bin/echo", args: ['{"kind":"ExecCredential"}'] },
      "not ExecCredential of undefined",
    ],
    ["needs a terminal", { command: "/bin/echo", interactiveMode: "Always" }, "needs a terminal"],
    ["hangs", { command: "/bin/sleep", args: ["600"] }, "gave no answer for 0.3 s"],
    [
      "leaves one behind that hangs",
      { command: "/bin/sh", args: ["-c", "sleep 2 &"] },
      "gave no answer for 0.3 s",
    ],
  ])("and %s is told", async (_, more, problem) => {
    using folder = temporaryFolder();
    const user = { exec: { ...exec, ...more } };
    const access = openConfig(folder.path, config(user), null, { credentialTimeoutMs: 300 });
    await expect(access.headers()).rejects.toThrow(problem);
  });
});

test("a plugin's failure is reported without its arguments, which may be secret", async () => {
  using folder = temporaryFolder();
  const exec = { ...PLUGIN, command: "/bin/echo", args: ["--client-secret", "s3cr3t"] };
  const error: UserError = await openConfig(folder.path, config({ exec }))
    .headers()
    .then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
  expect(error.message).toContain("credential plugin /bin/echo (for user");
  expect(`${error.message} ${error.hint}`).not.toContain("s3cr3t");
});

test("a token file is read again after the server rejects the token", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "token"), "one\n");
  const access = openConfig(folder.path, config({ tokenFile: "token" }));
  expect(await access.headers()).toEqual({ Authorization: "Bearer one" });
  expect(await access.renew()).toBe(false);
  writeFileSync(join(folder.path, "token"), "two\n");
  expect(await access.renew()).toBe(true);
  expect(await access.headers()).toEqual({ Authorization: "Bearer two" });
});

test("an expired token is reported when the server rejects it", () => {
  using folder = temporaryFolder();
  const token = (exp: number) => `h.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.s`;
  const old = openConfig(folder.path, config({ token: token(1_600_000_000) }));
  expect(old.findTrouble()).toBe("the token expired at 2020-09-13T12:26:40Z");
  expect(openConfig(folder.path, config({ token: token(4e9) })).findTrouble()).toBeNull();
  expect(openConfig(folder.path, config({ token: "opaque" })).findTrouble()).toBeNull();
});

test("without a kubeconfig, a pod uses its service account", async () => {
  using folder = temporaryFolder();
  for (const [name, text] of Object.entries({ "ca.crt": "CA", namespace: "ns\n", token: "t\n" }))
    writeFileSync(join(folder.path, name), text);
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  const access = openInCluster(environment, folder.path);
  expect(access?.server).toBe("https://[fd00::1]:6443");
  expect(access?.namespace).toBe("ns");
  expect(access?.tls).toEqual({ ca: "CA", allowPartialTrustChain: true });
  expect(await access?.headers()).toEqual({ Authorization: "Bearer t" });
  expect(openInCluster({}, folder.path)).toBeNull();
  expect(() => openInCluster(environment, join(folder.path, "none"))).toThrow(
    "the service account cannot be read",
  );
});

describe("an OIDC provider", () => {
  const expired = `h.${Buffer.from('{"exp":1600000000}').toString("base64url")}.s`;
  const provider = (issuer: string) => ({
    "auth-provider": {
      name: "oidc",
      config: {
        "client-id": "id",
        "client-secret": "s:c",
        "id-token": expired,
        "idp-issuer-url": issuer,
        "refresh-token": "refresh-1",
      },
    },
  });

  function startIssuer(answerToken: (form: string, authorization: string | null) => Response) {
    const server: Bun.Server<undefined> = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request): Promise<Response> {
        if (new URL(request.url).pathname === "/.well-known/openid-configuration")
          return Response.json({ token_endpoint: `http://127.0.0.1:${server.port}/token` });
        return answerToken(await request.text(), request.headers.get("authorization"));
      },
    });
    return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
  }

  test("renews an expired token once for all requests and saves both tokens in the kubeconfig", async () => {
    using folder = temporaryFolder();
    const asked: string[] = [];
    await using issuer = startIssuer((form, authorization) => {
      asked.push(`${authorization} ${form}`);
      return Response.json({ id_token: "new", refresh_token: "refresh-2" });
    });
    const access = openConfig(folder.path, config(provider(issuer.url)));
    const headers = await Promise.all([access.headers(), access.headers()]);
    expect(headers).toEqual([{ Authorization: "Bearer new" }, { Authorization: "Bearer new" }]);
    expect(asked).toEqual([`Basic ${b64("id:s%3Ac")} grant_type=refresh_token&refresh_token=refresh-1`]);
    const kept = readFileSync(join(folder.path, "config"), "utf8");
    expect(kept).toContain("refresh-token: refresh-2");
    expect(kept).toContain("id-token: new");
  });

  test("that rejects the refresh token is reported", async () => {
    using folder = temporaryFolder();
    await using issuer = startIssuer(() => new Response("revoked", { status: 400 }));
    const access = openConfig(folder.path, config(provider(issuer.url)));
    await expect(access.headers()).rejects.toThrow(/cannot get a token from .*: 400 revoked/);
  });

  test("that Kubernetes has removed is reported", () => {
    using folder = temporaryFolder();
    const user = { "auth-provider": { name: "gcp" } };
    expect(() => openConfig(folder.path, config(user))).toThrow('"gcp", which Kubernetes has removed');
  });
});
