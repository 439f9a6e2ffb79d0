import { join } from "node:path";
import { eventually, temporaryFolder } from "./cli.ts";
import { isListening } from "./envoy.ts";

export const hasNginx = Bun.which("nginx") !== null;

export interface Nginx {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface NginxOptions {
  /** Directives of the `http` block, such as zones. `{folder}` is a folder that nginx may write to. */
  readonly http?: string;
  /** Directives of the `server` block, next to `location /`. */
  readonly server?: string;
}

/** Starts a real nginx in front of `target`, with its default settings and with `directives` in its location. */
export async function startNginx(
  target: string,
  directives = "",
  { http = "", server = "" }: NginxOptions = {},
): Promise<Nginx> {
  const folder = temporaryFolder();
  const socket = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = socket;
  socket.stop(true);
  const of = (name: string) => join(folder.path, name);
  const config = of("nginx.conf");
  await Bun.write(
    config,
    // As root, nginx runs its workers as nobody, who may not write to the folder.
    `${process.getuid?.() === 0 ? "user root; " : ""}daemon off; worker_processes 1; pid ${of("nginx.pid")}; error_log ${of("nginx.log")}; events {}
    http {
      access_log off;
      client_body_temp_path ${of("b")}; proxy_temp_path ${of("p")}; fastcgi_temp_path ${of("f")};
      uwsgi_temp_path ${of("u")}; scgi_temp_path ${of("s")};
      ${http.replaceAll("{folder}", folder.path)}
      server { listen 127.0.0.1:${port}; ${server} location / { proxy_pass ${target}; ${directives} } }
    }`,
  );
  const child = Bun.spawn(["nginx", "-p", folder.path, "-e", of("nginx.log"), "-c", config], {
    stdout: "ignore",
    stderr: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  // A request would reach the target and be counted there.
  await eventually(async () => (await isListening(port)) || undefined);
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}
