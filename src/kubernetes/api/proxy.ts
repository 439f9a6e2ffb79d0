// Chooses the proxy of a request by Go's rules: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
import { BlockList, isIP } from "node:net";

type Environment = Readonly<Record<string, string | undefined>>;

const SCHEMES = ["http:", "https:", "socks5:"];

/** Parses a `proxy-url`. Returns `null` for one that kubectl rejects. */
export function parseProxy(text: string, schemes: readonly string[] = SCHEMES): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && schemes.includes(url.protocol) && url.hostname !== "" ? url : null;
}

/**
 * Returns the proxy that the environment sets for a server. Ignores `ALL_PROXY`, and never uses a proxy for loopback.
 * @returns `null` for none
 */
export function proxyOfEnvironment(server: URL, environment: Environment): URL | null {
  const scheme = server.protocol === "https:" ? "HTTPS" : "HTTP";
  const named = either(environment, `${scheme}_PROXY`);
  if (named === "" || isExcluded(server, either(environment, "NO_PROXY"))) return null;
  return parseProxy(named, [...SCHEMES, "socks5h:"]) ?? parseProxy(`http://${named}`);
}

/** Whether `fetch` would choose a proxy by its own rules, which differ from these. */
export function hasProxyVariables(environment: Environment): boolean {
  return ["HTTP_PROXY", "HTTPS_PROXY"].some((name) => either(environment, name) !== "");
}

/** Go prefers the upper-case spelling. */
function either(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || "";
}

function isExcluded(server: URL, rules: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = server.port || (server.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || isInNetwork(host, "127.0.0.0/8") || host === "::1") return true;
  return rules
    .split(",")
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== "" && matches(rule, host, port));
}

function matches(rule: string, host: string, port: string): boolean {
  if (rule === "*") return true;
  if (rule.includes("/")) return isInNetwork(host, rule);
  const [, bracketed, plain = "", rulePort] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(rule) ?? [];
  const name = isIP(rule) > 0 ? rule : (bracketed ?? plain);
  if (name === "" || (rulePort !== undefined && rulePort !== port)) return false;
  if (isIP(name) > 0) return isInNetwork(host, `${name}/${isIP(name) === 6 ? 128 : 32}`);
  const domain = name.replace(/^\*\./, ".");
  // ".example.com" matches subdomains only; "example.com" also matches itself.
  return domain.startsWith(".") ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function isInNetwork(host: string, network: string): boolean {
  const [address = "", prefix] = network.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(prefix ?? "")) return false;
  if (Number(prefix) > (family === 6 ? 128 : 32)) return false;
  const kind = family === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), kind);
  return list.check(host, kind);
}
