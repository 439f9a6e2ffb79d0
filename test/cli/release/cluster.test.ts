import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderYaml } from "../../../src/kubernetes/yaml.ts";
import { makeCertificates } from "../../helpers/certificates.ts";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";

const CERTIFICATES = makeCertificates();

/** A certificate of 127.0.0.1 that is its own authority and was valid for a day of 2020, and its key. */
const EXPIRED = readFileSync(join(import.meta.dir, "../../fixtures/kubernetes/expired-server.pem"), "utf8");

/** Runs a command with a kubeconfig of one cluster, which no test can reach. */
async function runWith(
  folder: string,
  server: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  entries: { readonly cluster?: object; readonly user?: object } = {},
) {
  const kubeconfig = join(folder, "kubeconfig");
  const authority = { "certificate-authority-data": Buffer.from(EXPIRED).toString("base64") };
  const config = {
    "current-context": "one",
    clusters: [
      {
        name: "c",
        cluster: entries.cluster ?? { server, ...(server.startsWith("https:") ? authority : {}) },
      },
    ],
    users: [{ name: "u", user: entries.user ?? { token: "t" } }],
    contexts: [
      { name: "one", context: { cluster: "c", user: "u" } },
      { name: "team", context: { cluster: "c", user: "u", namespace: "team-a" } },
    ],
  };
  writeFileSync(kubeconfig, renderYaml(config as never));
  const more = [
    "--kubeconfig",
    kubeconfig,
    "--config-file",
    join(folder, "settings"),
    "--request-timeout",
    "300ms",
  ];
  return runCli([...args, ...more], { env });
}

describe("a command without a cluster", () => {
  test.each([["deploy"], ["validate"], ["status"], ["delete"], ["rollback"], ["history"]])(
    "%s says that there is no kubeconfig",
    async (command) => {
      using folder = temporaryFolder();
      const args = [command, "--config-file", join(folder.path, "settings")];
      const { exitCode, stderr } = await runCli(args, { env: { KUBECONFIG: join(folder.path, "none") } });
      expect(exitCode).toBe(1);
      expect(stderr).toContain("Please ensure that you have a valid kube config file");
    },
  );

  test("an unknown context is an error that lists the known ones", async () => {
    using folder = temporaryFolder();
    const { exitCode, stderr } = await runWith(folder.path, "https://c.example", [
      "deploy",
      "--context",
      "two",
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('no context "two"');
    expect(stderr).toContain("--context: one");
  });

  test("an unreachable server is named in the error", async () => {
    using folder = temporaryFolder();
    using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    for (const port of [1, silent.port]) {
      const server = `http://127.0.0.1:${port}`;
      const { exitCode, stderr } = await runWith(folder.path, server, ["deploy"]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`cannot reach the API server ${server}`);
    }
  }, 60_000);

  test("an expired certificate is reported as expired", async () => {
    using folder = temporaryFolder();
    using old = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: EXPIRED, key: EXPIRED },
      fetch: () => Response.json({}),
    });
    const { exitCode, stderr } = await runWith(folder.path, old.url.origin, ["deploy"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`cannot reach the API server ${old.url.origin}`);
    expect(stderr).toContain("A certificate has expired: renew it");
  });

  test("NODE_TLS_REJECT_UNAUTHORIZED does not weaken the check of the API server's certificate", async () => {
    using folder = temporaryFolder();
    let requests = 0;
    using stranger = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: EXPIRED, key: EXPIRED },
      fetch: () => {
        requests++;
        return Response.json({});
      },
    });
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const { exitCode, stderr } = await runWith(folder.path, stranger.url.origin, ["deploy"], env);
    expect({ exitCode, requests }).toEqual({ exitCode: 1, requests: 0 });
    expect(stderr).toContain("A certificate has expired");
  });

  test("a server that is not Kubernetes is an error of its own, and dry-run ends with 3", async () => {
    using folder = temporaryFolder();
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<html>hello") });
    const { exitCode, stderr } = await runWith(folder.path, other.url.origin, ["dry-run"]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("does not speak JSON: an HTML page");
  });

  test("rejected credentials are named in the error", async () => {
    using folder = temporaryFolder();
    using strict = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("no", { status: 401 }),
    });
    const { exitCode, stderr } = await runWith(folder.path, strict.url.origin, ["status"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('does not accept the credentials of user "u" (context "one")');
  });
});

describe("the namespace", () => {
  const seen = async (namespace: string | undefined, args: readonly string[], settings?: string) => {
    using folder = temporaryFolder();
    const kubeconfig = join(folder.path, "kubeconfig");
    const context = { cluster: "c", user: "u", ...(namespace === undefined ? {} : { namespace }) };
    const config = {
      "current-context": "one",
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "u", user: { token: "t" } }],
      contexts: [{ name: "one", context }],
    };
    writeFileSync(kubeconfig, renderYaml(config as never));
    const file = join(folder.path, "settings");
    if (settings !== undefined) writeFileSync(file, settings);
    const more = ["--kubeconfig", kubeconfig, "--config-file", file, "--info"];
    const { stderr } = await runCli([...args, ...more]);
    return /^ *namespace +(\S.*?) *$/m.exec(stderr)?.[1]?.replaceAll(file, "FILE").split(/ {2,}/);
  };
  const FILE = (namespace: string) => `[DEFAULT]\nnamespace = ${namespace}\n`;

  test.each([["deploy"], ["dry-run"], ["validate"], ["status"], ["delete"], ["rollback"], ["history"]])(
    "of %s is the context's when nothing else sets it",
    async (command) => {
      expect(await seen("team", [command])).toEqual(["team", "context one"]);
    },
  );

  test.each([
    ["a flag", "team", ["deploy", "-n", "mine"], FILE("other"), ["mine", "--namespace"]],
    ["the file", "team", ["deploy"], FILE("other"), ["other", "FILE: namespace"]],
    [
      "the context, over a file with the default",
      "team",
      ["deploy"],
      FILE("chain-link"),
      ["team", "context one"],
    ],
    [
      "the original's default, without one in the context",
      undefined,
      ["deploy"],
      undefined,
      ["chain-link", "default"],
    ],
    ["the original's default, over kubectl's", "default", ["deploy"], undefined, ["chain-link", "default"]],
  ] as const)("is that of %s", async (_, namespace, args, settings, expected) => {
    expect(await seen(namespace, args, settings)).toEqual([...expected]);
  });

  test.each([
    ["nothing else is said", [], "", {}, "team-a", "context team"],
    ["the file has the default", [], "chain-link", {}, "team-a", "context team"],
    ["the file names another", [], "mine", {}, "mine", "settings: namespace"],
    ["a variable names another", [], "", { CHAIN_LINK_NAMESPACE: "mine" }, "mine", "CHAIN_LINK_NAMESPACE"],
    ["a flag names the default", ["-n", "chain-link"], "", {}, "chain-link", "--namespace"],
  ])("the namespace when %s", async (_, flags, inFile, env, namespace, origin) => {
    using folder = temporaryFolder();
    if (inFile !== "") writeFileSync(join(folder.path, "settings"), `[DEFAULT]\nnamespace = ${inFile}\n`);
    const args = ["dry-run", "--info", "--context", "team", ...flags];
    const { stderr } = await runWith(folder.path, "http://127.0.0.1:1", args, env);
    const line = stderr.split("\n").find((it) => it.startsWith("namespace"));
    expect(line).toMatch(new RegExp(`^namespace +${namespace} +.*${origin}$`));
    expect(stderr).toContain(`INFO     Namespace: ${namespace}\n`);
  });

  test("a token is not sent over plain http, and a warning says so", async () => {
    using folder = temporaryFolder();
    const seen: (string | null)[] = [];
    using plain = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response("no", { status: 401 });
      },
    });
    const { stderr } = await runWith(folder.path, plain.url.origin, ["status"]);
    expect(stderr).toContain(`WARNING  ${plain.url.origin} is plain http`);
    expect(seen).toEqual([null]);
  });

  test("the note about the config file appears after the cluster's answer, never before a cluster error", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "settings"), "[DEFAULT]\ninstances = 3\n");
    using none = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.json({ metadata: {}, items: [] }),
    });
    const refused = await runWith(folder.path, "http://127.0.0.1:1", ["status"]);
    expect(refused.stderr).toStartWith("WARNING  http://127.0.0.1:1 is plain http");
    expect(refused.stderr).not.toContain("Using existing config file");
    const { stderr } = await runWith(folder.path, none.url.origin, ["status"]);
    expect(stderr).toContain(`WARNING  Using existing config file: ${join(folder.path, "settings")}\n`);
  });

  test("a login may take longer than a request", async () => {
    using folder = temporaryFolder();
    using site = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: CERTIFICATES.good,
      fetch: (request) => new Response(request.headers.get("authorization"), { status: 401 }),
    });
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "p" },
    };
    const exec = {
      apiVersion: credential.apiVersion,
      interactiveMode: "Never",
      command: "/bin/sh",
      args: ["-c", `sleep 0.6; echo '${JSON.stringify(credential)}'`],
    };
    const authority = Buffer.from(CERTIFICATES.authority).toString("base64");
    const cluster = { server: site.url.origin, "certificate-authority-data": authority };
    const { stderr } = await runWith(folder.path, "", ["status"], {}, { cluster, user: { exec } });
    expect(stderr).toContain("does not accept the credentials");
    expect(stderr).toContain("Bearer p");
  });
});
