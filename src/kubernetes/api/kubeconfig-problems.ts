// The rules of client-go's validation.go:
// https://github.com/kubernetes/client-go/blob/master/tools/clientcmd/validation.go
import { isRecord } from "../../lib/record.ts";
import { isNamespaceName } from "../names.ts";
import { type Entry, text } from "./entry.ts";
import { parseProxy } from "./proxy.ts";

export function findClusterProblems(cluster: Entry, name: string): string[] {
  const problems: string[] = [];
  if (text(cluster.server) === "") problems.push(`cluster ${name} has no server`);
  const hasFile = text(cluster["certificate-authority"]) !== "";
  const hasData = text(cluster["certificate-authority-data"]) !== "";
  if (hasFile && hasData)
    problems.push(`cluster ${name} has both certificate-authority and certificate-authority-data`);
  if (cluster["insecure-skip-tls-verify"] === true && (hasFile || hasData))
    problems.push(`cluster ${name} has a certificate authority together with insecure-skip-tls-verify`);
  const proxy = text(cluster["proxy-url"]);
  if (proxy !== "" && parseProxy(proxy) === null)
    problems.push(`proxy-url of cluster ${name}: expected an http, https or socks5 URL`);
  return problems;
}

export function findUserProblems(user: Entry, name: string): string[] {
  const problems: string[] = [];
  const has = (key: string) => text(user[key]) !== "";
  const hasBasic = has("username") || has("password");
  if (hasBasic && (has("token") || has("tokenFile")))
    problems.push(`user ${name} has both a token and a user name with password; only one is allowed`);
  if (has("client-certificate") || has("client-certificate-data")) {
    for (const key of ["client-certificate", "client-key"])
      if (has(key) && has(`${key}-data`)) problems.push(`user ${name} has both ${key} and ${key}-data`);
    if (!has("client-key") && !has("client-key-data"))
      problems.push(`user ${name} has a client certificate without client-key or client-key-data`);
  }
  if (user.exec) problems.push(...findPluginProblems(user, name));
  const provider = isRecord(user["auth-provider"]) ? user["auth-provider"] : {};
  const config = isRecord(provider.config) ? provider.config : {};
  if (provider.name === "oidc" && !user.exec)
    for (const key of ["client-id", "idp-issuer-url"])
      if (text(config[key]) === "") problems.push(`auth-provider of user ${name} has no ${key}`);
  const { "as-groups": groups, "as-user-extra": extra } = user;
  const hasGroups = Array.isArray(groups) && groups.length > 0;
  if (!has("as") && (has("as-uid") || hasGroups || Object.keys(extra ?? {}).length > 0))
    problems.push(`user ${name} has as-uid, as-groups or as-user-extra without as`);
  return problems;
}

const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"];
const PLUGIN_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

function findPluginProblems(user: Entry, name: string): string[] {
  const exec = user.exec as Entry;
  const problems: string[] = [];
  const [v1] = PLUGIN_VERSIONS;
  const apiVersion = text(exec.apiVersion);
  const mode = text(exec.interactiveMode);
  if (user["auth-provider"]) problems.push(`user ${name} has both exec and auth-provider`);
  if (text(exec.command) === "") problems.push(`exec of user ${name} has no command`);
  if (!PLUGIN_VERSIONS.includes(apiVersion))
    problems.push(
      `apiVersion of exec of user ${name}: expected ${PLUGIN_VERSIONS.join(" or ")}, found ${JSON.stringify(apiVersion)}`,
    );
  if (Array.isArray(exec.env) && exec.env.some((it) => text(it.name) === ""))
    problems.push(`exec of user ${name} has an env without a name`);
  // Only v1beta1 has a default for interactiveMode.
  if (mode === "" ? apiVersion === v1 : !INTERACTIVE_MODES.includes(mode))
    problems.push(
      `interactiveMode of exec of user ${name}: expected ${INTERACTIVE_MODES.join(", ")}, found ${JSON.stringify(mode)}`,
    );
  return problems;
}

export function findNamespaceProblems(context: Entry, name: string): string[] {
  const namespace = text(context.namespace);
  return namespace === "" || isNamespaceName(namespace)
    ? []
    : [`namespace ${JSON.stringify(namespace)} of context ${name} is not a DNS label`];
}
