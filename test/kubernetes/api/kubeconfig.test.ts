import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { renderYaml } from "../../../src/kubernetes/yaml.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { b64, CERTIFICATES, config, openConfig as open } from "./config.ts";

describe("a kubeconfig", () => {
  test("provides the server, authority, client certificate and namespace", async () => {
    using folder = temporaryFolder();
    const { cert, key } = CERTIFICATES.good;
    const access = open(
      folder.path,
      config({ "client-certificate-data": b64(cert), "client-key-data": b64(key) }),
    );
    expect(access.server).toBe("https://c.example:6443");
    const authority = CERTIFICATES.authority.trim();
    expect(access.tls).toEqual({ ca: [authority], allowPartialTrustChain: true, cert, key });
    expect(access.namespace).toBe("ns");
    expect(await access.headers()).toEqual({});
    // Connections are kept by it.
    expect(access.tls).toBe(access.tls);
  });

  test("resolves file names relative to itself", () => {
    using folder = temporaryFolder();
    const { cert, key } = CERTIFICATES.good;
    writeFileSync(join(folder.path, "ca.pem"), CERTIFICATES.authority);
    writeFileSync(join(folder.path, "u.pem"), cert);
    writeFileSync(join(folder.path, "u.key"), key);
    const clusters = [{ name: "c", cluster: { server: "https://c", "certificate-authority": "ca.pem" } }];
    const access = open(
      folder.path,
      config({ "client-certificate": "u.pem", "client-key": "u.key" }, { clusters }),
    );
    expect(access.tls).toMatchObject({ ca: [CERTIFICATES.authority.trim()], cert, key });
  });

  test.each(["certificate-authority-data", "certificate-authority"])(
    "with insecure-skip-tls-verify and %s is refused, as by kubectl",
    (key) => {
      using folder = temporaryFolder();
      writeFileSync(join(folder.path, b64("CA")), "CA");
      const cluster = { server: "https://c", "insecure-skip-tls-verify": true };
      const openWith = (more: object) =>
        open(
          folder.path,
          config({ token: "t" }, { clusters: [{ name: "c", cluster: { ...cluster, ...more } }] }),
        );
      expect(() => openWith({ [key]: b64("CA") })).toThrow(
        'cluster "c" has a certificate authority together with insecure-skip-tls-verify',
      );
      expect(openWith({}).tls).toEqual({ rejectUnauthorized: false });
    },
  );

  test.each([
    [{ token: "t" }, "Bearer t"],
    [{ username: "a", password: "b" }, `Basic ${b64("a:b")}`],
  ])("of a user %p says who we are", async (user, authorization) => {
    using folder = temporaryFolder();
    expect(await open(folder.path, config(user)).headers()).toEqual({ Authorization: authorization });
  });

  test("among several: the first definition wins", () => {
    using folder = temporaryFolder();
    const [first, second] = [join(folder.path, "1"), join(folder.path, "2")];
    writeFileSync(first, renderYaml({ "current-context": "two" }));
    const contexts = [{ name: "two", context: { cluster: "c", user: "u" } }];
    writeFileSync(second, renderYaml(config({ token: "t" }, { contexts }) as never));
    const environment = { KUBECONFIG: `${first}:${join(folder.path, "absent")}:${second}` };
    expect(openCluster({ file: null, context: null, environment }).contextName).toBe("two");
  });

  test.each([
    ["an unknown context", config({}), "onee", 'did you mean "one"?'],
    ["no current context", config({}, { "current-context": "" }), null, "no current context"],
    ["an unknown cluster", config({}, { clusters: [] }), null, 'no cluster "c"'],
    [
      "a server that is no URL",
      config({}, { clusters: [{ name: "c", cluster: { server: "ftp://c" } }] }),
      null,
      '"ftp://c"',
    ],
    [
      "an authority that is not there",
      config(
        { token: "t" },
        { clusters: [{ name: "c", cluster: { server: "https://c", "certificate-authority": "nope" } }] },
      ),
      null,
      "certificate-authority",
    ],
  ])("with %s says so", (_, content, context, found) => {
    using folder = temporaryFolder();
    expect(() => open(folder.path, content, context)).toThrow(found);
  });

  test("may impersonate another user", async () => {
    using folder = temporaryFolder();
    const user = { token: "t", as: "jane", "as-groups": ["dev"], "as-user-extra": { "a/b": ["x"] } };
    expect(await open(folder.path, config(user)).headers()).toEqual({
      Authorization: "Bearer t",
      "Impersonate-User": "jane",
      "Impersonate-Group": "dev",
      "Impersonate-Extra-a%2Fb": "x",
    });
    const several = open(folder.path, config({ token: "t", as: "jane", "as-groups": ["dev", "ops"] }));
    expect(await several.headers()).toMatchObject({ "Impersonate-Group": ["dev", "ops"] });
  });

  test("that is empty counts as missing", () => {
    for (const options of [
      { file: null, environment: { KUBECONFIG: "/dev/null" } },
      { file: "/dev/null", environment: {} },
    ])
      expect(() => openCluster({ ...options, context: null })).toThrow("nothing is in /dev/null");
  });

  test("that is missing or not YAML is reported", () => {
    using folder = temporaryFolder();
    const absent = join(folder.path, "absent");
    expect(() => openCluster({ file: null, context: null, environment: { KUBECONFIG: absent } })).toThrow(
      "Please ensure that you have a valid kube config file",
    );
    expect(() => openCluster({ file: absent, context: null, environment: {} })).toThrow("there is none at");
    writeFileSync(absent, "a: [");
    expect(() => openCluster({ file: absent, context: null, environment: {} })).toThrow("cannot be read");
  });
});
