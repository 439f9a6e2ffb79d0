import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { renderYaml } from "../../../src/kubernetes/yaml.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { b64, config, openConfig as open } from "./config.ts";

describe("a kubeconfig", () => {
  test("gives server, authority, certificate and namespace", async () => {
    using folder = temporaryFolder();
    const access = open(
      folder.path,
      config({ "client-certificate-data": b64("CERT"), "client-key-data": b64("KEY") }),
    );
    expect(access.server).toBe("https://c.example:6443");
    expect(access.tls).toEqual({ ca: "CA", cert: "CERT", key: "KEY" });
    expect(access.namespace).toBe("ns");
    expect(await access.headers()).toEqual({});
    // Connections are kept by it.
    expect(access.tls).toBe(access.tls);
  });

  test("names files beside itself", () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "ca.pem"), "CA2");
    writeFileSync(join(folder.path, "u.pem"), "CERT2");
    const clusters = [{ name: "c", cluster: { server: "https://c", "certificate-authority": "ca.pem" } }];
    const access = open(
      folder.path,
      config({ "client-certificate": "u.pem", "client-key": "u.pem" }, { clusters }),
    );
    expect(access.tls).toEqual({ ca: "CA2", cert: "CERT2", key: "CERT2" });
  });

  test.each(["certificate-authority-data", "certificate-authority"])(
    "with insecure-skip-tls-verify and %s is refused, as by kubectl",
    (key) => {
      using folder = temporaryFolder();
      writeFileSync(join(folder.path, b64("CA")), "CA");
      const cluster = { server: "https://c", "insecure-skip-tls-verify": true };
      const openWith = (more: object) =>
        open(folder.path, config({}, { clusters: [{ name: "c", cluster: { ...cluster, ...more } }] }));
      expect(() => openWith({ [key]: b64("CA") })).toThrow(
        'cluster "c" in ' +
          join(folder.path, "config") +
          " has a certificate authority together with insecure-skip-tls-verify",
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

  test("that is one of several: the first that says something wins", () => {
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
      config({}, { clusters: [{ name: "c", cluster: { server: "c" } }] }),
      null,
      '"c"',
    ],
    [
      "an authority that is not there",
      config(
        {},
        { clusters: [{ name: "c", cluster: { server: "https://c", "certificate-authority": "nope" } }] },
      ),
      null,
      "certificate-authority",
    ],
  ])("with %s says so", (_, content, context, found) => {
    using folder = temporaryFolder();
    expect(() => open(folder.path, content, context)).toThrow(found);
  });

  test("asks to be somebody else", async () => {
    using folder = temporaryFolder();
    const user = { token: "t", as: "jane", "as-groups": ["dev"], "as-user-extra": { "a/b": ["x"] } };
    expect(await open(folder.path, config(user)).headers()).toEqual({
      Authorization: "Bearer t",
      "Impersonate-User": "jane",
      "Impersonate-Group": "dev",
      "Impersonate-Extra-a%2Fb": "x",
    });
    const several = config({ as: "jane", "as-groups": ["dev", "ops"] });
    expect(() => open(folder.path, several)).toThrow("impersonates 2 groups");
  });

  test("that is empty is none", () => {
    for (const options of [
      { file: null, environment: { KUBECONFIG: "/dev/null" } },
      { file: "/dev/null", environment: {} },
    ])
      expect(() => openCluster({ ...options, context: null })).toThrow("found none at /dev/null");
  });

  test("that is absent, or no YAML, says so", () => {
    using folder = temporaryFolder();
    const absent = join(folder.path, "absent");
    expect(() => openCluster({ file: null, context: null, environment: { KUBECONFIG: absent } })).toThrow(
      "Please ensure that you have a valid kube config file",
    );
    expect(() => openCluster({ file: absent, context: null, environment: {} })).toThrow("cannot be read");
    writeFileSync(absent, "a: [");
    expect(() => openCluster({ file: absent, context: null, environment: {} })).toThrow("cannot be read");
  });
});
