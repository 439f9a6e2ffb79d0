const PROXIES = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

/**
 * Lets no proxy of the environment stand between this program and this machine, where its collectors, links and port-forwards
 * are: a proxy elsewhere reaches none of them. As in Go (`net/http.ProxyFromEnvironment`), and so as in kubectl.
 */
export function reachLoopbackDirectly(env: NodeJS.ProcessEnv): void {
  if (!PROXIES.some((name) => env[name])) return;
  // The runtime reads the first that is set, when it makes a request.
  const known = env.no_proxy || env.NO_PROXY;
  env.no_proxy = [...(known ? [known] : []), ...LOOPBACK].join(",");
}
