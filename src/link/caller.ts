import type { Call } from "../topology/model.ts";
import { jsonResponse, type LinkRequest, type LinkResponse } from "./exchange.ts";
import type { Role } from "./roles.ts";
import { clientTags, type TagSource } from "./tags.ts";
import type { RequestTrace } from "./tracer.ts";
import type { Reply, UpstreamClient } from "./upstream.ts";

/** Headers that pass through a link as they came. */
const PASSED_HEADERS = ["baggage", "x-request-id"] as const;

export interface CallerOptions {
  readonly tagSource: TagSource;
  readonly client: UpstreamClient;
  /** Base URL of a service, without a slash at the end. */
  readonly resolve: (service: string) => string;
}

/** Makes the calls of a role: steps in order, the calls of a step at the same time. */
export class Caller {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /**
   * The answer of the first failed call in document order, otherwise of the last call; `null` when no call was made.
   * After a step with a failed call no further step is begun.
   */
  async makeCalls(
    { steps, random }: Role,
    request: LinkRequest,
    trace: RequestTrace,
  ): Promise<LinkResponse | null> {
    const passed = PASSED_HEADERS.flatMap((name) => {
      const value = request.header(name);
      return value === null ? [] : [[name, value] as const];
    });
    let last: LinkResponse | null = null;
    for (const step of steps) {
      const drawn = step.filter((call) => call.probability >= 1 || random() < call.probability);
      const [only] = drawn;
      const replies =
        drawn.length === 1 && only !== undefined
          ? [await this.#call(only, passed, trace)]
          : await Promise.all(drawn.map((call) => this.#call(call, passed, trace)));
      const failed = replies.find((reply) => reply.status >= 400);
      if (failed !== undefined) return failed;
      last = replies.at(-1) ?? last;
    }
    return last;
  }

  async #call(
    call: Call,
    passed: readonly (readonly [string, string])[],
    trace: RequestTrace,
  ): Promise<LinkResponse> {
    const url = `${this.#options.resolve(call.service)}/forward`;
    for (let attempt = 0; ; attempt++) {
      const span = trace.startCall();
      const headers = [...span.headers, ...passed];
      const reply = await this.#options.client.get(call.service, url, headers, call.timeoutMs);
      const tags = clientTags(this.#options.tagSource, url, reply, attempt);
      span.finish(
        hostOf(call.service).toLowerCase(),
        tags,
        reply.kind === "answer" ? reply : { ...NO_ACCOUNT, isRepeated: reply.isRepeated },
      );
      if (attempt < call.retries && deservesRetry(reply)) continue;
      return toResponse(call.service, reply);
    }
  }
}

const NO_ACCOUNT = { ledger: null, traceResponse: null };

function deservesRetry(reply: Reply): boolean {
  return reply.kind === "failure" || reply.status >= 500;
}

function toResponse(service: string, reply: Reply): LinkResponse {
  if (reply.kind === "failure") {
    const status = reply.reason === "timeout" ? 504 : 502;
    return jsonResponse(status, { message: `call to ${service} failed: ${reply.message}`, service });
  }
  return { status: reply.status, headers: reply.headers, body: reply.body };
}

/** An entry of the services list may be `host:port`; the service is the host. */
function hostOf(service: string): string {
  return service.replace(/:\d+$/, "");
}
