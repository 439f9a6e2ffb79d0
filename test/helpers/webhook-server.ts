/**
 * Admission webhooks for tests. Runs inside the lab's network, where the API server can reach it: `bun
 * webhook-server.ts CERTIFICATE KEY`.
 * Prints its port, and exits when its standard input closes. `/deny` rejects everything, `/deny/NAME` rejects objects
 * whose names contain NAME, `/rewrite` puts a mirror before each Pod's image, and `/hang` never answers.
 */

export {};

/** An image that only the webhook sets. */
const MIRRORED = "mirror.example/pause:1";

const [cert = "", key = ""] = process.argv.slice(2);

interface Review {
  readonly request: { readonly uid: string; readonly name: string; readonly object: unknown };
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  tls: { cert: Bun.file(cert), key: Bun.file(key) },
  async fetch(request) {
    const [, command, wanted = ""] = new URL(request.url).pathname.split("/");
    const review = (await request.json()) as Review;
    const { uid, name } = review.request;
    const answer = (response: object) =>
      Response.json({
        apiVersion: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response: { uid, ...response },
      });
    switch (command) {
      case "hang":
        return new Promise(() => {});
      case "rewrite": {
        const patch = [{ op: "replace", path: "/spec/containers/0/image", value: MIRRORED }];
        return answer({ allowed: true, patchType: "JSONPatch", patch: btoa(JSON.stringify(patch)) });
      }
      default:
        return name.includes(wanted)
          ? answer({ allowed: false, status: { code: 400, message: `${name} is not on the list` } })
          : answer({ allowed: true });
    }
  },
});

process.stdout.write(`${server.port}\n`);
// The test starts us through a shell; a signal to the shell would leave us running.
await Bun.stdin.text();
process.exit();
