const PROXIES = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

/**
 * Bypasses proxies for loopback addresses: a proxy on another host cannot reach the collectors, links and port-forwards of
 * this machine. Go does the same (`net/http.ProxyFromEnvironment`), and so does kubectl.
 */
export function reachLoopbackDirectly(env: NodeJS.ProcessEnv): void {
  if (!PROXIES.some((name) => env[name])) return;
  // The runtime reads the first of the two that is set, on each request.
  const known = env.no_proxy || env.NO_PROXY;
  env.no_proxy = [...(known ? [known] : []), ...LOOPBACK].join(",");
}
