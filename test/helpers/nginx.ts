import { join } from "node:path";
import { eventually, temporaryFolder } from "./cli.ts";

export const hasNginx = Bun.which("nginx") !== null;

export interface Nginx {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A real nginx before `target`, as it is by default but for `directives` in its location. */
export async function startNginx(target: string, directives = ""): Promise<Nginx> {
  const folder = temporaryFolder();
  const socket = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = socket;
  socket.stop(true);
  const of = (name: string) => join(folder.path, name);
  const config = of("nginx.conf");
  await Bun.write(
    config,
    `daemon off; worker_processes 1; pid ${of("nginx.pid")}; error_log ${of("nginx.log")}; events {}
    http {
      access_log off;
      client_body_temp_path ${of("b")}; proxy_temp_path ${of("p")}; fastcgi_temp_path ${of("f")};
      uwsgi_temp_path ${of("u")}; scgi_temp_path ${of("s")};
      server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; ${directives} } }
    }`,
  );
  const child = Bun.spawn(["nginx", "-p", folder.path, "-e", of("nginx.log"), "-c", config], {
    stdout: "ignore",
    stderr: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(url).catch(() => null)) !== null || undefined);
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}
