/** A kubeconfig, or several, that kubectl and chain-link are asked to use. */
export interface Case {
  readonly name: string;
  /** The file; `null` for none. Names such as `$TLS` are those of `startSite`. */
  readonly config: string | object | null;
  readonly encoding?: "utf16le" | "utf16be" | "utf8-bom";
  /** Other files by their name. */
  readonly files?: Readonly<Record<string, string | object>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly context?: string;
  /** What our refusal has to say, where kubectl refuses. */
  readonly says?: string;
  /** Why chain-link behaves unlike kubectl. */
  readonly differs?: string;
}

/** A kubeconfig of one user whose cluster is `$TLS`. */
export function base(user: object, cluster: object = {}, rest: object = {}): object {
  return {
    "current-context": "one",
    clusters: [{ name: "c", cluster: { server: "$TLS", "certificate-authority-data": "$CA", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "one", context: { cluster: "c", user: "u" } }],
    ...rest,
  };
}

const TOKEN = { token: "t" };
const PAIR = { "client-certificate-data": "$CERT", "client-key-data": "$KEY" };
const V1 = "client.authentication.k8s.io/v1";
const BETA = "client.authentication.k8s.io/v1beta1";
const insecure = { "certificate-authority-data": null, "insecure-skip-tls-verify": true };
const noAuthority = { "certificate-authority-data": null };
/** A name that only a proxy can reach. */
const far = { server: "https://api.cluster.example:$TLSPORT", "tls-server-name": "localhost" };
/** An address that only a proxy can reach: TEST-NET-1 of RFC 5737. */
const farAddress = { server: "https://192.0.2.7:$TLSPORT", "tls-server-name": "localhost" };
const proxied = { HTTPS_PROXY: "http://$PROXY" };

function plugin(status: object | string, exec: object = {}, apiVersion = V1): object {
  const answer =
    typeof status === "string" ? status : JSON.stringify({ apiVersion, kind: "ExecCredential", status });
  return {
    exec: { apiVersion, command: "/bin/echo", args: [answer], interactiveMode: "Never", ...exec },
  };
}

const yaml = (user: string, rest = "") => `apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c
  cluster:
    server: $TLS
    certificate-authority-data: $CA
contexts:
- name: one
  context: {cluster: c, user: u}
users:
- name: u
  user: ${user}
${rest}`;

const YAML_CASES: readonly Case[] = [
  { name: "plain YAML", config: yaml("{token: t}") },
  { name: "JSON", config: base(TOKEN) },
  { name: "quoted and folded text", config: yaml('{token: "t\\u0041"}') },
  { name: "an anchor", config: yaml("&u {token: t}", "extra: *u") },
  {
    name: "a merge key",
    config: yaml("{<<: *base, token: t}", "x: 1").replace(
      "current-context",
      "base: &base {as: jane}\ncurrent-context",
    ),
  },
  {
    name: "a merge key that is overridden",
    config: yaml("{<<: *base, as: joe}").replace(
      "current-context",
      "base: &base {as: jane, token: t}\ncurrent-context",
    ),
  },
  {
    name: "an alias for an entry",
    config: yaml("*base").replace("current-context", "base: &base {token: t}\ncurrent-context"),
  },
  { name: "an unknown alias", config: yaml("*nope"), says: "nope" },
  { name: "UTF-16 of PowerShell", config: base(TOKEN), encoding: "utf16le" },
  { name: "UTF-16, big endian", config: yaml("{token: t}"), encoding: "utf16be" },
  { name: "UTF-8 with a byte order mark", config: yaml("{token: t}"), encoding: "utf8-bom" },
  { name: "two documents", config: `${yaml("{token: t}")}\n---\n${yaml("{token: other}")}` },
  { name: "a second document that is broken", config: `${yaml("{token: t}")}\n---\n[` },
  { name: "an empty first document", config: `---\n---\n${yaml("{token: t}")}` },
  { name: "a document that begins with ---", config: `---\n${yaml("{token: t}")}` },
  { name: "comments and CRLF", config: `# mine\n${yaml("{token: t} # secret")}`.replaceAll("\n", "\r\n") },
  { name: "!!binary for a token", config: yaml("{token: !!binary dG9rZW4=}") },
  {
    name: "!!binary for base64 of base64",
    config: yaml("{token: t}").replace("authority-data: $CA", "authority-data: !!binary $DOUBLE"),
  },
  {
    name: "!!binary for a certificate",
    config: yaml("{token: t}").replace("authority-data: $CA", "authority-data: !!binary $CA"),
    says: "base64",
  },
  { name: "!!str for a number", config: yaml("{token: !!str 123}") },
  { name: "a key twice", config: yaml("{token: first, token: t}") },
  { name: "tabs for indentation", config: "clusters:\n\t- name: c", says: "cannot be read" },
  { name: "text that is no YAML", config: "a: [", says: "cannot be read" },
  { name: "a list", config: "[1, 2]", says: "expected clusters" },
  { name: "a lone word", config: "hello", says: "expected clusters" },
  { name: "yes for true", config: base(TOKEN, insecure), files: {} },
  {
    name: "insecure: yes",
    config: yaml("{token: t}").replace("certificate-authority-data: $CA", "insecure-skip-tls-verify: yes"),
  },
  {
    name: "insecure: on",
    config: yaml("{token: t}").replace("certificate-authority-data: $CA", "insecure-skip-tls-verify: on"),
  },
  {
    name: 'insecure: "true"',
    config: base(TOKEN, { ...noAuthority, "insecure-skip-tls-verify": "true" }),
    says: "true or false",
  },
  { name: "a token that is a number", config: yaml("{token: 123}"), says: "expected text" },
  { name: "a token that is a date", config: yaml("{token: 2020-01-02}") },
  { name: "a token that is true", config: yaml("{token: true}"), says: "expected text" },
  { name: "a token that is null", config: yaml("{token: ~, username: a, password: b}") },
  { name: "a token that is a list", config: base({ token: ["t"] }), says: "expected text" },
  {
    name: "a namespace that is a number",
    config: base(
      TOKEN,
      {},
      { contexts: [{ name: "one", context: { cluster: "c", user: "u", namespace: 5 } }] },
    ),
    says: "expected text",
  },
  {
    name: "unknown fields",
    config: base(
      { ...TOKEN, color: "red" },
      { flavour: 1 },
      { preferences: { colors: true }, extensions: [], more: 1 },
    ),
  },
  { name: "keys in capitals, which are unknown", config: base({ Token: "t", token: "small" }) },
  { name: "another apiVersion", config: base(TOKEN, {}, { apiVersion: "v2" }), says: "expected v1" },
  { name: "another kind", config: base(TOKEN, {}, { kind: "Secret" }), says: "expected Config" },
  { name: "apiVersion and kind", config: base(TOKEN, {}, { apiVersion: "v1", kind: "Config" }) },
  { name: "an apiVersion alone", config: base(TOKEN, {}, { apiVersion: "v1" }) },
  { name: "users: null", config: base(TOKEN, {}, { users: null }), says: "there is no" },
  {
    name: "users that are an object",
    config: base(TOKEN, {}, { users: { u: TOKEN } }),
    says: "expected a list",
  },
];

// Without any context kubectl tries http://localhost:8080, which is refused, too.
const CONTEXT_CASES: readonly Case[] = [
  {
    name: "no current context",
    config: base(TOKEN, {}, { "current-context": "" }),
    says: "no current context",
  },
  {
    name: "a current context that does not exist",
    config: base(TOKEN, {}, { "current-context": "two" }),
    says: 'no context "two"',
  },
  { name: "--context", config: base(TOKEN, {}, { "current-context": "two" }), context: "one" },
  { name: "--context that does not exist", config: base(TOKEN), context: "onee", says: "did you mean" },
  {
    name: "a context without cluster",
    config: base(TOKEN, {}, { contexts: [{ name: "one", context: { user: "u" } }] }),
    says: "names no cluster",
  },
  {
    name: "a context without user",
    config: base(TOKEN, {}, { contexts: [{ name: "one", context: { cluster: "c" } }] }),
    says: "names no user",
  },
  {
    name: "a context of an unknown cluster",
    config: base(TOKEN, {}, { clusters: [] }),
    says: 'no cluster "c"',
  },
  {
    name: "a context of an unknown user",
    config: base(TOKEN, {}, { users: [] }),
    says: 'no user "u"',
  },
  { name: "an empty context", config: base(TOKEN, {}, { contexts: [{ name: "one" }] }), says: "names no" },
  {
    name: "a namespace that is no label",
    config: base(
      TOKEN,
      {},
      { contexts: [{ name: "one", context: { cluster: "c", user: "u", namespace: "A_b" } }] },
    ),
    says: "DNS label",
    differs: "kubectl checks it only in commands that use the namespace, and chain-link's all do",
  },
  {
    name: "a context twice",
    config: base(
      TOKEN,
      {},
      { contexts: [1, 2].map(() => ({ name: "one", context: { cluster: "c", user: "u" } })) },
    ),
    says: "defined twice",
  },
  {
    name: "a user twice",
    config: base(
      TOKEN,
      {},
      {
        users: [
          { name: "u", user: TOKEN },
          { name: "u", user: { token: "x" } },
        ],
      },
    ),
    says: "defined twice",
  },
  {
    name: "a cluster twice",
    config: base(
      TOKEN,
      {},
      {
        clusters: [1, 2].map(() => ({
          name: "c",
          cluster: { server: "$TLS", "certificate-authority-data": "$CA" },
        })),
      },
    ),
    says: "defined twice",
  },
  {
    name: "trouble in a context that is not used",
    config: base(
      TOKEN,
      {},
      {
        contexts: [
          { name: "one", context: { cluster: "c", user: "u" } },
          { name: "two", context: { cluster: "x", user: "y" } },
        ],
      },
    ),
  },
  {
    name: "trouble in a user that is not used",
    config: base(
      TOKEN,
      {},
      {
        users: [
          { name: "u", user: TOKEN },
          { name: "v", user: { token: "a", username: "b" } },
        ],
      },
    ),
  },
  { name: "an empty file", config: "", says: "valid kube config" },
  { name: "a file with comments only", config: "# nothing", says: "valid kube config" },
  {
    name: "names with spaces and dots",
    config: base(
      TOKEN,
      {},
      {
        "current-context": "a b/c.d@e",
        contexts: [{ name: "a b/c.d@e", context: { cluster: "c", user: "u" } }],
      },
    ),
  },
  {
    name: "a context called constructor",
    config: base(TOKEN, {}, { "current-context": "constructor" }),
    says: "no context",
  },
];

const SERVER_CASES: readonly Case[] = [
  { name: "HTTPS:// in capitals", config: base(TOKEN, { server: "HTTPS://127.0.0.1:$TLSPORT" }) },
  { name: "a slash at the end", config: base(TOKEN, { server: "$TLS/" }) },
  { name: "a path", config: base(TOKEN, { server: "$TLS/k8s/clusters/c-1" }) },
  { name: "a path with a slash at the end", config: base(TOKEN, { server: "$TLS/k8s/" }) },
  { name: "a query", config: base(TOKEN, { server: "$TLS/?a=b" }) },
  { name: "a path and a query", config: base(TOKEN, { server: "$TLS/k8s?a=b" }) },
  { name: "localhost", config: base(TOKEN, { server: "https://localhost:$TLSPORT" }) },
  { name: "no server", config: base(TOKEN, { server: "" }), says: "has no server" },
  {
    name: "an empty cluster",
    config: base(TOKEN, {}, { clusters: [{ name: "c", cluster: {} }] }),
    says: "has no server",
  },
  {
    name: "another scheme",
    config: base(TOKEN, { server: "ftp://127.0.0.1:$TLSPORT" }),
    says: "http or https",
  },
  { name: "a server without a scheme", config: base({}, { server: "$BARE", ...noAuthority }) },
  { name: "plain http", config: base({}, { server: "$PLAIN", ...noAuthority }) },
  { name: "plain http with a token", config: base(TOKEN, { server: "$PLAIN" }) },
  {
    name: "plain http with a password",
    config: base({ username: "a", password: "b" }, { server: "$PLAIN" }),
  },
  { name: "plain http with a plugin", config: base(plugin({ token: "p" }), { server: "$PLAIN" }) },
  {
    name: "plain http with impersonation",
    config: base({ token: "t", as: "jane", "as-groups": ["a", "b"] }, { server: "$PLAIN" }),
  },
  {
    name: "plain http with a useless authority",
    config: base({}, { server: "$PLAIN", "certificate-authority-data": "$JUNK" }),
  },
  {
    name: "a user in the server's URL",
    config: base({}, { server: "https://a:b@127.0.0.1:$TLSPORT" }),
    differs: "kubectl asks for a user name and a password although the URL has both",
  },
  {
    name: "a user in the server's URL, and a token",
    config: base(TOKEN, { server: "https://a:b@127.0.0.1:$TLSPORT" }),
  },
  {
    name: "a server that does not listen",
    config: base(TOKEN, { server: "https://127.0.0.1:1" }),
    says: "cannot reach",
  },
  { name: "disable-compression", config: base(TOKEN, { "disable-compression": true }) },
];

const TLS_CASES: readonly Case[] = [
  {
    name: "an authority in a file",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "$DIR/ca.pem" }),
  },
  {
    name: "an authority in a file beside it",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "ca.pem" }),
  },
  {
    name: "an authority file that is absent",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "nope.pem" }),
    says: "certificate-authority",
  },
  {
    name: "an authority as data and as file",
    config: base(TOKEN, { "certificate-authority": "ca.pem" }),
    says: "both",
  },
  {
    name: "an authority that is no certificate",
    config: base(TOKEN, { "certificate-authority-data": "$JUNK" }),
    says: "no PEM certificate",
  },
  {
    name: "an authority file that is no certificate",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "junk.pem" }),
    says: "no PEM certificate",
  },
  {
    name: "an empty authority file",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "empty" }),
    says: "no PEM certificate",
  },
  {
    name: "an authority that is no base64",
    config: base(TOKEN, { "certificate-authority-data": "%%%" }),
    says: "base64",
  },
  {
    name: "an authority in broken base64",
    config: base(TOKEN, { "certificate-authority-data": "$CA=x" }),
    says: "base64",
  },
  {
    name: "an authority in base64 with line breaks",
    config: yaml("{token: t}").replace("authority-data: $CA", "authority-data: |\n      $WRAPPED"),
  },
  {
    name: "an authority with text around it",
    config: base(TOKEN, { ...noAuthority, "certificate-authority": "bundle.pem" }),
  },
  {
    name: "another authority",
    config: base(TOKEN, { "certificate-authority-data": "$LEAFCA" }),
    says: "certificate",
  },
  { name: "no authority", config: base(TOKEN, noAuthority), says: "certificate" },
  {
    name: "a leaf certificate as authority",
    config: base(TOKEN, { server: "$LEAF", "certificate-authority-data": "$LEAFCA" }),
  },
  {
    name: "a server's own certificate as authority",
    config: base(TOKEN, { "certificate-authority-data": "$CERT" }),
  },
  { name: "a self-signed certificate", config: base(TOKEN, { server: "$LEAF" }), says: "certificate" },
  { name: "an expired certificate", config: base(TOKEN, { server: "$EXPIRED" }), says: "expired" },
  { name: "a certificate for another name", config: base(TOKEN, { server: "$OTHER" }), says: "cannot reach" },
  { name: "tls-server-name", config: base(TOKEN, { server: "$OTHER", "tls-server-name": "other.example" }) },
  {
    name: "a wrong tls-server-name",
    config: base(TOKEN, { "tls-server-name": "nope.example" }),
    says: "cannot reach",
  },
  {
    name: "a certificate with a common name only",
    config: base(TOKEN, { server: "$CN", "certificate-authority-data": "$CNCA" }),
    says: "common name",
  },
  { name: "insecure-skip-tls-verify", config: base(TOKEN, insecure) },
  {
    name: "insecure-skip-tls-verify of another name",
    config: base(TOKEN, { ...insecure, server: "$OTHER" }),
  },
  {
    name: "insecure-skip-tls-verify of a common name only",
    config: base(TOKEN, { ...insecure, server: "$CN" }),
  },
  {
    name: "insecure-skip-tls-verify of an expired certificate",
    config: base(TOKEN, { ...insecure, server: "$EXPIRED" }),
  },
  {
    name: "insecure-skip-tls-verify with an authority",
    config: base(TOKEN, { "insecure-skip-tls-verify": true }),
    says: "insecure-skip-tls-verify",
  },
  {
    name: "insecure-skip-tls-verify with an authority file",
    config: base(TOKEN, { ...insecure, "certificate-authority": "ca.pem" }),
    says: "insecure-skip-tls-verify",
  },
  {
    name: "insecure-skip-tls-verify: false with an authority",
    config: base(TOKEN, { "insecure-skip-tls-verify": false }),
  },
  { name: "SSL_CERT_DIR", config: base(TOKEN, noAuthority), env: { SSL_CERT_DIR: "$DIR/authorities" } },
  {
    name: "SSL_CERT_DIR of two folders",
    config: base(TOKEN, noAuthority),
    env: { SSL_CERT_DIR: "/nowhere:$DIR/authorities" },
  },
  {
    name: "SSL_CERT_DIR without the authority",
    config: base(TOKEN, noAuthority),
    env: { SSL_CERT_DIR: "/nowhere" },
    says: "certificate",
  },
  { name: "SSL_CERT_FILE", config: base(TOKEN, noAuthority), env: { SSL_CERT_FILE: "$DIR/ca.pem" } },
  {
    name: "SSL_CERT_FILE that is absent",
    config: base(TOKEN, noAuthority),
    env: { SSL_CERT_FILE: "/nowhere" },
    says: "certificate",
  },
  {
    name: "SSL_CERT_FILE next to an authority of the kubeconfig",
    config: base(TOKEN, { "certificate-authority-data": "$LEAFCA" }),
    env: { SSL_CERT_FILE: "$DIR/ca.pem" },
    says: "certificate",
  },
  {
    name: "NODE_TLS_REJECT_UNAUTHORIZED, which is Node's",
    config: base(TOKEN, noAuthority),
    env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    says: "certificate",
  },
];

const USER_CASES: readonly Case[] = [
  { name: "a token", config: base(TOKEN) },
  { name: "a password", config: base({ username: "a", password: "b:c" }) },
  { name: "a password beyond ASCII", config: base({ username: "jürgen", password: "ä€" }) },
  { name: "a user name without a password", config: base({ username: "a" }) },
  { name: "a password without a user name", config: base({ password: "b" }), says: "has no credentials" },
  {
    name: "a token and a password",
    config: base({ token: "t", username: "a", password: "b" }),
    says: "only one",
  },
  {
    name: "a token file and a password",
    config: base({ tokenFile: "token.txt", username: "a", password: "b" }),
    says: "only one",
  },
  { name: "a token file", config: base({ tokenFile: "$DIR/token.txt" }) },
  { name: "a token file beside it", config: base({ tokenFile: "token.txt" }) },
  { name: "a token file and a token", config: base({ tokenFile: "token.txt", token: "t" }) },
  { name: "a token file that is absent", config: base({ tokenFile: "nope" }), says: "tokenFile" },
  { name: "a token file that is absent, and a token", config: base({ tokenFile: "nope", token: "t" }) },
  { name: "an empty token file, and a token", config: base({ tokenFile: "empty", token: "t" }) },
  { name: "a client certificate", config: base(PAIR) },
  {
    name: "a client certificate in files",
    config: base({ "client-certificate": "client.crt", "client-key": "$DIR/client.key" }),
  },
  {
    name: "a client certificate in data and file",
    config: base({ ...PAIR, "client-certificate": "client.crt" }),
    says: "both",
  },
  {
    name: "a client key in data and file",
    config: base({ ...PAIR, "client-key": "client.key" }),
    says: "both",
  },
  {
    name: "a client certificate in a file, its key in data",
    config: base({ "client-certificate": "client.crt", "client-key-data": "$KEY" }),
  },
  {
    name: "a client certificate without a key",
    config: base({ "client-certificate-data": "$CERT" }),
    says: "without client-key",
  },
  {
    name: "a client key without a certificate",
    config: base({ "client-key-data": "$KEY", ...TOKEN }),
    says: "",
  },
  {
    name: "the key of another certificate",
    config: base({ ...PAIR, "client-key-data": "$WRONGKEY" }),
    says: "does not belong",
  },
  {
    name: "a key that is none",
    config: base({ ...PAIR, "client-key-data": "$JUNK" }),
    says: "client key cannot be used",
  },
  {
    name: "a certificate that is none",
    config: base({ ...PAIR, "client-certificate-data": "$JUNK" }),
    says: "client certificate is not",
  },
  {
    name: "a certificate file that is absent",
    config: base({ "client-certificate": "nope", "client-key": "client.key" }),
    says: "client-certificate",
  },
  {
    name: "a key file that is absent",
    config: base({ "client-certificate": "client.crt", "client-key": "nope" }),
    says: "client-key",
  },
  { name: "a client certificate and a token", config: base({ ...PAIR, ...TOKEN }) },
  { name: "a client certificate and a password", config: base({ ...PAIR, username: "a", password: "b" }) },
  { name: "a client certificate of a server that is not checked", config: base(PAIR, insecure) },
  { name: "no credentials", config: base({}), says: "has no credentials" },
  { name: "no credentials but impersonation", config: base({ as: "jane" }), says: "has no credentials" },
  { name: "impersonation", config: base({ ...TOKEN, as: "jane" }) },
  { name: "impersonation with one group", config: base({ ...TOKEN, as: "jane", "as-groups": ["dev"] }) },
  {
    name: "impersonation with several groups",
    config: base({ ...TOKEN, as: "jane", "as-groups": ["dev", "ops", "system:masters"] }),
  },
  {
    name: "impersonation with groups that have commas",
    config: base({ ...TOKEN, as: "jane", "as-groups": ["a, b", "c"] }),
  },
  { name: "impersonation with a uid", config: base({ ...TOKEN, as: "jane", "as-uid": "1-2" }) },
  {
    name: "impersonation with extra",
    config: base({ ...TOKEN, as: "jane", "as-user-extra": { scopes: ["a"] } }),
  },
  {
    name: "impersonation with several values of extra",
    config: base({ ...TOKEN, as: "jane", "as-user-extra": { scopes: ["a", "b"], other: ["c"] } }),
  },
  {
    name: "impersonation with a slash in extra",
    config: base({ ...TOKEN, as: "jane", "as-user-extra": { "example.com/scopes": ["a"] } }),
  },
  {
    name: "impersonation with signs in extra",
    config: base({ ...TOKEN, as: "jane", "as-user-extra": { "a(b)%c": ["x"] } }),
  },
  { name: "impersonation beyond ASCII", config: base({ ...TOKEN, as: "jürgen" }) },
  {
    name: "impersonation of a service account",
    config: base({ ...TOKEN, as: "system:serviceaccount:ns:name" }),
  },
  {
    name: "impersonation over a client certificate",
    config: base({ ...PAIR, as: "jane", "as-groups": ["a", "b"] }),
  },
  { name: "as-groups without as", config: base({ ...TOKEN, "as-groups": ["dev"] }), says: "without as" },
  { name: "as-uid without as", config: base({ ...TOKEN, "as-uid": "1" }), says: "without as" },
  {
    name: "as-user-extra without as",
    config: base({ ...TOKEN, "as-user-extra": { a: ["b"] } }),
    says: "without as",
  },
  {
    name: "as-groups that is a text",
    config: base({ ...TOKEN, as: "jane", "as-groups": "dev" }),
    says: "list",
  },
  { name: "empty as-groups without as", config: base({ ...TOKEN, "as-groups": [] }) },
  { name: "the auth provider gcp", config: base({ "auth-provider": { name: "gcp" } }), says: "removed" },
  { name: "the auth provider azure", config: base({ "auth-provider": { name: "azure" } }), says: "removed" },
  {
    name: "an unknown auth provider",
    config: base({ "auth-provider": { name: "mine" } }),
    says: "auth provider",
  },
  {
    name: "an OIDC token",
    config: base({
      "auth-provider": {
        name: "oidc",
        config: { "client-id": "a", "idp-issuer-url": "https://x.example", "id-token": "$JWT" },
      },
    }),
  },
  {
    name: "an OIDC token next to a token",
    config: base({
      ...TOKEN,
      "auth-provider": {
        name: "oidc",
        config: { "client-id": "a", "idp-issuer-url": "https://x.example", "id-token": "$JWT" },
      },
    }),
  },
  {
    name: "an OIDC token next to a client certificate",
    config: base({
      ...PAIR,
      "auth-provider": {
        name: "oidc",
        config: { "client-id": "a", "idp-issuer-url": "https://x.example", "id-token": "$JWT" },
      },
    }),
  },
  {
    name: "OIDC without a token",
    config: base({
      "auth-provider": { name: "oidc", config: { "client-id": "a", "idp-issuer-url": "https://x.example" } },
    }),
    says: "has no token",
  },
  {
    name: "OIDC without a client-id",
    config: base({
      "auth-provider": {
        name: "oidc",
        config: { "idp-issuer-url": "https://x.example", "id-token": "$JWT" },
      },
    }),
    says: "client-id",
  },
  {
    name: "OIDC without an issuer",
    config: base({ "auth-provider": { name: "oidc", config: { "client-id": "a", "id-token": "$JWT" } } }),
    says: "idp-issuer-url",
  },
];

const PLUGIN_CASES: readonly Case[] = [
  { name: "a plugin", config: base(plugin({ token: "p" })) },
  { name: "a plugin of v1beta1", config: base(plugin({ token: "p" }, {}, BETA)) },
  {
    name: "a plugin of v1beta1 without interactiveMode",
    config: base(plugin({ token: "p" }, { interactiveMode: null }, BETA)),
  },
  {
    name: "a plugin of v1 without interactiveMode",
    config: base(plugin({ token: "p" }, { interactiveMode: null })),
    says: "interactiveMode",
  },
  {
    name: "a plugin of v1alpha1",
    config: base(plugin({ token: "p" }, {}, "client.authentication.k8s.io/v1alpha1")),
    says: "apiVersion",
  },
  {
    name: "a plugin of no version",
    config: base(plugin({ token: "p" }, { apiVersion: null })),
    says: "apiVersion",
  },
  {
    name: "a plugin that answers in another version",
    config: base(
      plugin(JSON.stringify({ apiVersion: BETA, kind: "ExecCredential", status: { token: "p" } })),
    ),
    says: "ExecCredential",
  },
  {
    name: "a plugin with an unknown interactiveMode",
    config: base(plugin({ token: "p" }, { interactiveMode: "Maybe" })),
    says: "interactiveMode",
  },
  {
    name: "a plugin that is always interactive",
    config: base(plugin({ token: "p" }, { interactiveMode: "Always" })),
    says: "terminal",
  },
  {
    name: "a plugin that may be interactive",
    config: base(plugin({ token: "p" }, { interactiveMode: "IfAvailable" })),
  },
  {
    name: "a plugin without a command",
    config: base(plugin({ token: "p" }, { command: "" })),
    says: "no command",
  },
  {
    name: "a plugin that is absent",
    config: base(plugin({ token: "p" }, { command: "/nowhere/plugin", installHint: "Install it." })),
    says: "cannot be started",
  },
  {
    name: "a plugin that is not on the PATH",
    config: base(plugin({ token: "p" }, { command: "no-such-plugin" })),
    says: "PATH",
  },
  { name: "a plugin on the PATH", config: base(plugin({ token: "p" }, { command: "echo" })) },
  {
    name: "a plugin beside the kubeconfig",
    config: base({ exec: { apiVersion: V1, command: "./plugin", interactiveMode: "Never" } }),
  },
  {
    name: "a plugin that is told of its environment",
    config: base({
      exec: {
        apiVersion: V1,
        command: "./plugin",
        interactiveMode: "Never",
        env: [{ name: "TOKEN", value: "of-env" }],
      },
    }),
  },
  {
    name: "a plugin that is told of the cluster",
    config: base(
      {
        exec: {
          apiVersion: V1,
          command: "./plugin-info",
          interactiveMode: "Never",
          provideClusterInfo: true,
        },
      },
      { "tls-server-name": "localhost" },
    ),
  },
  {
    name: "a plugin that is not told of the cluster",
    config: base({ exec: { apiVersion: V1, command: "./plugin-info", interactiveMode: "Never" } }),
  },
  {
    name: "a plugin with an env without a name",
    config: base(plugin({ token: "p" }, { env: [{ value: "x" }] })),
    says: "env",
  },
  { name: "a plugin that fails", config: base(plugin({}, { command: "/bin/false" })), says: "exit code 1" },
  { name: "a plugin that prints no JSON", config: base(plugin("hello")), says: "JSON" },
  { name: "a plugin that prints nothing", config: base(plugin({}, { command: "/bin/true" })), says: "JSON" },
  {
    name: "a plugin that prints YAML",
    config: base(plugin(`apiVersion: ${V1}\nkind: ExecCredential\nstatus: {token: p}`)),
  },
  {
    name: "a plugin without a status",
    config: base(plugin(JSON.stringify({ apiVersion: V1, kind: "ExecCredential" }))),
    says: "neither",
  },
  { name: "a plugin with an empty token", config: base(plugin({ token: "" })), says: "neither" },
  {
    name: "a plugin with a certificate",
    config: base({ exec: { apiVersion: V1, command: "./plugin-certificate", interactiveMode: "Never" } }),
  },
  {
    name: "a plugin with a certificate without a key",
    config: base({ exec: { apiVersion: V1, command: "./plugin-half", interactiveMode: "Never" } }),
    says: "cannot be used",
  },
  {
    name: "a plugin whose token has expired",
    config: base(plugin({ token: "p", expirationTimestamp: "2020-01-01T00:00:00Z" })),
  },
  {
    name: "a plugin whose token expires later",
    config: base(plugin({ token: "p", expirationTimestamp: "2099-01-01T00:00:00Z" })),
  },
  { name: "a plugin next to a token", config: base({ ...TOKEN, ...plugin({ token: "p" }) }) },
  {
    name: "a plugin next to a token file",
    config: base({ tokenFile: "token.txt", ...plugin({ token: "p" }) }),
  },
  {
    name: "a plugin next to a password",
    config: base({ username: "a", password: "b", ...plugin({ token: "p" }) }),
  },
  { name: "a plugin next to a client certificate", config: base({ ...PAIR, ...plugin({ token: "p" }) }) },
  {
    name: "a plugin next to an auth provider",
    config: base({ "auth-provider": { name: "oidc", config: {} }, ...plugin({ token: "p" }) }),
    says: "both exec and auth-provider",
  },
  {
    name: "a plugin and impersonation",
    config: base({ as: "jane", "as-groups": ["a", "b"], ...plugin({ token: "p" }) }),
  },
];

const PROXY_CASES: readonly Case[] = [
  { name: "proxy-url", config: base(TOKEN, { ...far, "proxy-url": "http://$PROXY" }) },
  { name: "proxy-url of a server on this machine", config: base(TOKEN, { "proxy-url": "http://$PROXY" }) },
  {
    name: "proxy-url against NO_PROXY",
    config: base(TOKEN, { ...far, "proxy-url": "http://$PROXY" }),
    env: { NO_PROXY: "*" },
  },
  { name: "proxy-url with a user", config: base(TOKEN, { ...far, "proxy-url": "http://me:p%40ss@$PROXY" }) },
  { name: "proxy-url with a slash", config: base(TOKEN, { ...far, "proxy-url": "http://$PROXY/" }) },
  {
    name: "proxy-url of an https proxy",
    config: base(TOKEN, {
      ...far,
      "proxy-url": "https://$SECUREPROXY",
      "tls-server-name": null,
      server: "https://localhost:$TLSPORT",
    }),
  },
  { name: "proxy-url of a SOCKS proxy", config: base(TOKEN, { ...far, "proxy-url": "socks5://$SOCKS" }) },
  {
    name: "proxy-url of a SOCKS proxy to an address",
    config: base(TOKEN, { ...farAddress, "proxy-url": "socks5://$SOCKS" }),
  },
  {
    name: "proxy-url of a SOCKS proxy with a user",
    config: base(TOKEN, { ...far, "proxy-url": "socks5://me:pw@$SOCKS" }),
  },
  {
    name: "proxy-url of a SOCKS proxy for plain http",
    config: base(
      {},
      { server: "http://127.0.0.1:$PLAINPORT", ...noAuthority, "proxy-url": "socks5://$SOCKS" },
    ),
  },
  {
    name: "proxy-url of a SOCKS proxy and several groups",
    config: base(
      { ...TOKEN, as: "jane", "as-groups": ["a", "b"] },
      { ...far, "proxy-url": "socks5://$SOCKS" },
    ),
  },
  {
    name: "proxy-url of socks5h",
    config: base(TOKEN, { ...far, "proxy-url": "socks5h://$SOCKS" }),
    says: "proxy-url",
  },
  {
    name: "proxy-url of another scheme",
    config: base(TOKEN, { ...far, "proxy-url": "ftp://$PROXY" }),
    says: "proxy-url",
  },
  {
    name: "proxy-url without a scheme",
    config: base(TOKEN, { ...far, "proxy-url": "$PROXY" }),
    says: "proxy-url",
  },
  {
    name: "proxy-url for plain http",
    config: base(
      {},
      { server: "http://api.cluster.example:1", ...noAuthority, "proxy-url": "http://$PROXY" },
    ),
  },
  {
    name: "proxy-url for plain http, with a user",
    config: base(
      {},
      { server: "http://api.cluster.example:1", ...noAuthority, "proxy-url": "http://me:pw@$PROXY" },
    ),
  },
  {
    name: "proxy-url that does not listen",
    config: base(TOKEN, { ...far, "proxy-url": "http://127.0.0.1:1" }),
    says: "cannot reach",
  },
  {
    name: "proxy-url and a client certificate",
    config: base(PAIR, { ...far, "proxy-url": "http://$PROXY" }),
  },
  {
    name: "proxy-url and a certificate of another name",
    config: base(TOKEN, { ...far, "tls-server-name": null, "proxy-url": "http://$PROXY" }),
    says: "cannot reach",
  },
  {
    name: "proxy-url and insecure-skip-tls-verify",
    config: base(TOKEN, { ...far, ...insecure, "tls-server-name": null, "proxy-url": "http://$PROXY" }),
  },
  { name: "HTTPS_PROXY", config: base(TOKEN, far), env: proxied },
  { name: "https_proxy", config: base(TOKEN, far), env: { https_proxy: "http://$PROXY" } },
  {
    name: "HTTPS_PROXY before https_proxy",
    config: base(TOKEN, far),
    env: { ...proxied, https_proxy: "http://127.0.0.1:1" },
  },
  { name: "HTTPS_PROXY without a scheme", config: base(TOKEN, far), env: { HTTPS_PROXY: "$PROXY" } },
  { name: "HTTPS_PROXY of a SOCKS proxy", config: base(TOKEN, far), env: { HTTPS_PROXY: "socks5://$SOCKS" } },
  { name: "HTTPS_PROXY with a user", config: base(TOKEN, far), env: { HTTPS_PROXY: "http://me:pw@$PROXY" } },
  {
    name: "HTTPS_PROXY and several groups",
    config: base({ ...TOKEN, as: "j", "as-groups": ["a", "b"] }, far),
    env: proxied,
  },
  { name: "HTTPS_PROXY for a server on this machine", config: base(TOKEN), env: proxied },
  {
    name: "HTTPS_PROXY for localhost",
    config: base(TOKEN, { server: "https://localhost:$TLSPORT" }),
    env: proxied,
  },
  { name: "HTTP_PROXY for https", config: base(TOKEN), env: { HTTP_PROXY: "http://$PROXY" } },
  {
    name: "HTTP_PROXY for plain http",
    config: base({}, { server: "http://api.cluster.example:1", ...noAuthority }),
    env: { HTTP_PROXY: "http://$PROXY" },
  },
  {
    name: "HTTPS_PROXY for plain http on this machine",
    config: base({}, { server: "$PLAIN", ...noAuthority }),
    env: proxied,
  },
  {
    name: "ALL_PROXY, which is ignored",
    config: base(TOKEN, far),
    env: { ALL_PROXY: "http://$PROXY", all_proxy: "http://$PROXY" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of the very name",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "api.cluster.example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of a domain",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "a.b, cluster.example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of a domain with a dot",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: ".cluster.example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of a domain with a star",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "*.cluster.example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of the name with a dot, which is for names below it",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: ".api.cluster.example" },
  },
  {
    name: "NO_PROXY of half a name",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "uster.example" },
  },
  {
    name: "NO_PROXY in capitals",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "API.Cluster.Example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of the name and port",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "api.cluster.example:$TLSPORT" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY of another port",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "api.cluster.example:1" },
  },
  { name: "NO_PROXY=*", config: base(TOKEN, far), env: { ...proxied, NO_PROXY: "*" }, says: "cannot reach" },
  {
    name: "NO_PROXY of another name",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "other.example" },
  },
  {
    name: "no_proxy",
    config: base(TOKEN, far),
    env: { ...proxied, no_proxy: "api.cluster.example" },
    says: "cannot reach",
  },
  {
    name: "NO_PROXY before no_proxy",
    config: base(TOKEN, far),
    env: { ...proxied, NO_PROXY: "x.example", no_proxy: "api.cluster.example" },
  },
  {
    name: "NO_PROXY of a network that does not hold the address",
    config: base(TOKEN, farAddress),
    env: { ...proxied, NO_PROXY: "10.0.0.0/8,192.0.3.0/24" },
  },
  {
    name: "NO_PROXY of another address",
    config: base(TOKEN, farAddress),
    env: { ...proxied, NO_PROXY: "192.0.2.70" },
  },
  {
    name: "NO_PROXY of the address and another port",
    config: base(TOKEN, farAddress),
    env: { ...proxied, NO_PROXY: "192.0.2.7:1" },
  },
];

const FILE_CASES: readonly Case[] = [
  { name: "KUBECONFIG of one file", config: null, files: { a: base(TOKEN) }, env: { KUBECONFIG: "$DIR/a" } },
  {
    name: "KUBECONFIG of three parts",
    config: null,
    files: {
      a: { "current-context": "one", contexts: [{ name: "one", context: { cluster: "c", user: "u" } }] },
      b: { users: [{ name: "u", user: TOKEN }] },
      c: { clusters: [{ name: "c", cluster: { server: "$TLS", "certificate-authority-data": "$CA" } }] },
    },
    env: { KUBECONFIG: "$DIR/a:$DIR/b:$DIR/c" },
  },
  {
    name: "KUBECONFIG whose first file wins",
    config: null,
    files: { a: base({ token: "a" }), b: base({ token: "b" }) },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
  },
  {
    name: "KUBECONFIG: entries are not mixed",
    config: null,
    files: { a: base({ as: "jane", ...TOKEN }), b: base({ token: "b", "as-uid": "1" }) },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
  },
  {
    name: "KUBECONFIG: the first current context",
    config: null,
    files: { a: { "current-context": "one" }, b: base(TOKEN, {}, { "current-context": "two" }) },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
  },
  {
    name: "KUBECONFIG with a file that is absent",
    config: null,
    files: { a: base(TOKEN) },
    env: { KUBECONFIG: "$DIR/nope:$DIR/a" },
  },
  {
    name: "KUBECONFIG with an empty part",
    config: null,
    files: { a: base(TOKEN) },
    env: { KUBECONFIG: ":$DIR/a:" },
  },
  {
    name: "KUBECONFIG with a file twice",
    config: null,
    files: { a: base(TOKEN) },
    env: { KUBECONFIG: "$DIR/a:$DIR/a" },
  },
  {
    name: "KUBECONFIG with a broken file",
    config: null,
    files: { a: "a: [", b: base(TOKEN) },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
    says: "cannot be read",
  },
  {
    name: "KUBECONFIG with a broken last file",
    config: null,
    files: { a: base(TOKEN), b: "a: [" },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
    says: "cannot be read",
  },
  {
    name: "KUBECONFIG with an empty file",
    config: null,
    files: { a: "", b: base(TOKEN) },
    env: { KUBECONFIG: "$DIR/a:$DIR/b" },
  },
  {
    name: "KUBECONFIG: files are beside the file that names them",
    config: null,
    files: {
      "sub/a": base({ tokenFile: "own" }, { ...noAuthority, "certificate-authority": "../ca.pem" }),
      "sub/own": "beside",
    },
    env: { KUBECONFIG: "$DIR/sub/a" },
  },
  {
    name: "KUBECONFIG that is all absent",
    config: null,
    env: { KUBECONFIG: "$DIR/nope" },
    says: "valid kube config",
  },
  {
    name: "--kubeconfig before KUBECONFIG",
    config: base(TOKEN),
    files: { a: base({ token: "a" }) },
    env: { KUBECONFIG: "$DIR/a" },
  },
];

export const CASES: readonly Case[] = [
  ...[
    YAML_CASES,
    CONTEXT_CASES,
    SERVER_CASES,
    TLS_CASES,
    USER_CASES,
    PLUGIN_CASES,
    PROXY_CASES,
    FILE_CASES,
  ].flat(),
];
