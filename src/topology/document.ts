import * as v from "valibot";
import { parsePercentage } from "../lib/percentage.ts";
import { isRecord } from "../lib/record.ts";
import { isReservedLabel, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, MAX_SERVICES } from "./model.ts";
import {
  count,
  duration,
  fraction,
  mapping,
  mappingOfNames,
  occasionalTime,
  oneOf,
  plainOrMapping,
  sizes,
  sizeUpTo,
  time,
} from "./values.ts";

/** The topology document as people write it, before defaults. `topology.schema.json` is generated from these schemas. */

const fault = v.pipe(
  mapping({
    rate: v.pipe(fraction, v.description("Share of all requests.")),
    kind: v.optional(
      v.pipe(
        v.picklist(["status", "reset", "silence"], "status, reset or silence"),
        v.description(
          "How a request fails: an error status (default), a connection reset, or no answer at all.",
        ),
      ),
    ),
    status: v.optional(
      v.pipe(count(400, 599), v.description("For kind status: the status to answer with; default 500.")),
    ),
    after: v.optional(
      v.pipe(
        time,
        v.description("Time until the request fails, instead of latency and cpu; default: after those."),
      ),
    ),
  }),
  v.check(
    ({ kind, status }) => status === undefined || kind === undefined || kind === "status",
    "status only with kind status",
  ),
);

const faults = v.pipe(
  v.array(fault, "a list of errors"),
  v.minLength(1, "at least one error"),
  v.check(
    (list) => list.reduce((sum, { rate }) => sum + readFraction(rate), 0) <= 1 + 1e-9,
    "rates that add up to at most 100%",
  ),
);

const errors = oneOf(
  [fraction, fault, faults],
  (value) => (Array.isArray(value) ? faults : isRecord(value) ? fault : fraction),
  "a percentage such as 0.5%, { rate, status }, or a list of these",
);

/** Reads a fraction that passed the schema. */
export function readFraction(value: string | number): number {
  return typeof value === "number" ? value : (parsePercentage(value) ?? 0);
}

const MAX_LIMIT = 1_000_000;

const concurrency = plainOrMapping(
  count(1, MAX_LIMIT),
  mapping({
    limit: v.pipe(count(1, MAX_LIMIT), v.description("Maximum requests served concurrently.")),
    queue: v.optional(
      v.pipe(count(0, MAX_LIMIT), v.description("Maximum requests waiting in the queue; default 1024.")),
    ),
    wait: v.optional(v.pipe(duration, v.description("Maximum time in the queue; default: no limit."))),
  }),
  "a whole number, or { limit, queue, wait }",
);

const PER_SECOND_EXPECTED = "a number of requests per second, above 0";
const perSecond = v.pipe(
  v.number(PER_SECOND_EXPECTED),
  v.gtValue(0, PER_SECOND_EXPECTED),
  v.maxValue(MAX_LIMIT, `at most ${MAX_LIMIT} requests per second`),
);
const rateLimit = plainOrMapping(
  perSecond,
  mapping({
    perSecond,
    burst: v.optional(
      v.pipe(
        count(1, MAX_LIMIT),
        v.description("Maximum requests admitted at once after a pause; default: one second's worth."),
      ),
    ),
    status: v.optional(
      v.pipe(count(400, 599), v.description("Status for requests above the rate; default 429.")),
    ),
  }),
  "a number of requests per second, or { perSecond, burst, status }",
);

const memorySize = sizeUpTo(64 * 1024 ** 3, "64GiB");
const memory = plainOrMapping(
  memorySize,
  mapping({
    held: v.optional(v.pipe(memorySize, v.description("Memory held all the time."))),
    perRequest: v.optional(
      v.pipe(sizeUpTo(1024 ** 3, "1GiB"), v.description("Memory held by each request in flight.")),
    ),
  }),
  "a size such as 64MiB, or { held, perRequest }",
);

const FACTOR_EXPECTED = "a number from 1 to 1000";
const slowStart = plainOrMapping(
  duration,
  mapping({
    for: v.pipe(duration, v.description("Time until the service reaches full speed.")),
    factor: v.optional(
      v.pipe(
        v.number(FACTOR_EXPECTED),
        v.minValue(1, FACTOR_EXPECTED),
        v.maxValue(1000, FACTOR_EXPECTED),
        v.description("How many times slower the service is right after its start; default 10."),
      ),
    ),
  }),
  "a duration such as 30s, or { for, factor }",
);

const retryStatus = count(400, 599);
const retryKind = v.picklist(["5xx", "timeout", "disconnect"], "5xx, timeout, disconnect or a status");
const retryCondition = oneOf(
  [retryKind, retryStatus],
  (value) => (typeof value === "number" ? retryStatus : retryKind),
  "5xx, timeout, disconnect or a status",
);

const retryBudget = plainOrMapping(
  fraction,
  mapping({
    ratio: v.pipe(
      fraction,
      v.description("Maximum retries as a share of the call's requests in the last 10 s."),
    ),
    minPerSecond: v.optional(
      v.pipe(count(0, MAX_LIMIT), v.description("Retries per second that are always allowed; default 10.")),
    ),
  }),
  "a percentage such as 20%, or { ratio, minPerSecond }",
);

/** Settings of a call; `defaults` may set them for all calls. Each is one definition of the JSON Schema. */
const callValues = {
  timeout: v.pipe(
    duration,
    v.description("Deadline of one attempt, from its start to the end of the answer."),
  ),
  retries: v.pipe(count(0, 100), v.description("Maximum attempts after the first.")),
  retryOn: v.pipe(
    v.array(retryCondition, "a list such as [5xx, timeout, disconnect]"),
    v.minLength(1, "at least one condition"),
    v.description("Which failures are retried; default [5xx, timeout, disconnect]."),
  ),
  backoff: v.pipe(
    duration,
    v.description("Maximum pause before the first retry, doubled for each further one; default: no pause."),
  ),
  retryBudget: v.pipe(retryBudget, v.description("Maximum retries as a share of the call's requests.")),
  request: v.pipe(
    sizes(MAX_REQUEST_BYTES, "16MiB"),
    v.description("Size of the request body: fixed, or drawn from a distribution."),
  ),
};

const callSettings = {
  timeout: v.optional(callValues.timeout),
  retries: v.optional(callValues.retries),
  retryOn: v.optional(callValues.retryOn),
  backoff: v.optional(callValues.backoff),
  retryBudget: v.optional(callValues.retryBudget),
  request: v.optional(callValues.request),
};

const serviceName = v.string("the name of a service");

const callMapping = mapping({ service: serviceName, probability: v.optional(fraction), ...callSettings });
const sleep = mapping({ sleep: v.pipe(time, v.description("Pause before the next step.")) });

const action = oneOf(
  [serviceName, callMapping, sleep],
  (value) => (isRecord(value) ? ("sleep" in value ? sleep : callMapping) : undefined),
  "the name of a service, { service, probability, timeout, retries } or { sleep }",
);

const group = v.pipe(v.array(action), v.minLength(1, "at least one call"));

const step = oneOf(
  [action, group],
  (value) =>
    Array.isArray(value) ? group : typeof value === "string" || isRecord(value) ? action : undefined,
  "a call, or a list of concurrent calls",
);

const texts = v.record(v.string(), v.string("a string"), "a mapping of strings");
const labels = v.pipe(
  texts,
  v.check((map) => !Object.keys(map).some(isReservedLabel), "no label that chain-link sets itself"),
);
const toleration = mapping({
  key: v.string("a string"),
  operator: v.optional(v.picklist(["Equal", "Exists"], "Equal or Exists")),
  value: v.optional(v.string("a string")),
  effect: v.optional(
    v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"], "NoSchedule, PreferNoSchedule or NoExecute"),
  ),
});

const pods = mapping({
  imagePullSecrets: v.optional(
    v.pipe(
      v.array(v.string("the name of a Secret"), "a list of names"),
      v.description("Secrets for pulling images."),
    ),
  ),
  nodeSelector: v.optional(v.pipe(texts, v.description("Labels that a node must have to run the pods."))),
  tolerations: v.optional(
    v.pipe(v.array(toleration, "a list of tolerations"), v.description("Taints that the pods tolerate.")),
  ),
  annotations: v.optional(texts),
  labels: v.optional(labels),
  requests: v.optional(v.pipe(texts, v.description("Resource requests of a link's container: cpu, memory."))),
  limits: v.optional(v.pipe(texts, v.description("Resource limits of a link's container: cpu, memory."))),
  runAsUser: v.optional(
    v.pipe(
      v.union([count(1, 2 ** 31 - 1), v.literal("none", "none")], "a user id, or none"),
      v.description("User id of the containers; none lets the cluster choose one."),
    ),
  ),
});

/** Each is one definition of the JSON Schema. */
const behaviorValues = {
  latency: v.pipe(
    occasionalTime,
    v.description("Delay before the service makes its calls: fixed, or drawn from a distribution."),
  ),
  cpu: v.pipe(
    occasionalTime,
    v.description("CPU time that each request burns: fixed, or drawn from a distribution."),
  ),
  errors: v.pipe(errors, v.description("Share of requests that fail instead of being served.")),
  response: v.pipe(
    sizes(MAX_RESPONSE_BYTES, "64MiB"),
    v.description("Size to which the response body is padded: fixed, or drawn from a distribution."),
  ),
  memory: v.pipe(memory, v.description("Memory that the service allocates.")),
  concurrency: v.pipe(
    concurrency,
    v.description("Maximum requests served concurrently; others wait in a queue, or get 503."),
  ),
  rateLimit: v.pipe(
    rateLimit,
    v.description("Maximum requests admitted per second; others are answered with 429."),
  ),
  startup: v.pipe(
    duration,
    v.description("How long the service is not ready after its start; until then it answers 503."),
  ),
  slowStart: v.pipe(
    slowStart,
    v.description("Latency and cpu are multiplied after the start, and fall to their normal values."),
  ),
  replicas: v.pipe(count(0, 1000), v.description("Number of pods of this service in Kubernetes.")),
  pods: v.pipe(pods, v.description("Settings of the pods in Kubernetes.")),
};

const behavior = {
  latency: v.optional(behaviorValues.latency),
  cpu: v.optional(behaviorValues.cpu),
  errors: v.optional(behaviorValues.errors),
  response: v.optional(behaviorValues.response),
  memory: v.optional(behaviorValues.memory),
  concurrency: v.optional(behaviorValues.concurrency),
  rateLimit: v.optional(behaviorValues.rateLimit),
  startup: v.optional(behaviorValues.startup),
  slowStart: v.optional(behaviorValues.slowStart),
  replicas: v.optional(behaviorValues.replicas),
  pods: v.optional(behaviorValues.pods),
};

export const serviceSchema = mapping({
  entry: v.optional(
    v.pipe(v.boolean("true or false"), v.description("Whether requests from outside go to this service.")),
  ),
  calls: v.optional(
    v.pipe(
      v.array(step, "a list of calls"),
      v.description("Calls in order; the calls of a nested list are made concurrently."),
    ),
  ),
  ...behavior,
});

const header = {
  apiVersion: v.literal("chain-link.dev/v1", "chain-link.dev/v1"),
  kind: v.literal("Topology", "Topology"),
  metadata: v.optional(mapping({ name: v.optional(v.string("a name")) })),
  defaults: v.optional(
    v.pipe(
      mapping({ ...behavior, ...callSettings }),
      v.description("Settings for every service and call that does not set them itself."),
    ),
  ),
};

const graphDocument = mapping({
  ...header,
  services: v.pipe(
    mappingOfNames(v.nullable(serviceSchema), "a mapping of service names"),
    v.minEntries(1, "at least one service"),
  ),
});

const chainDocument = mapping({
  ...header,
  chain: v.pipe(count(1, MAX_SERVICES), v.description("Number of services, each of which calls the next.")),
});

/** The parser chooses between the two first, so that messages fit the kind of document. */
export const documentSchemas = { graph: graphDocument, chain: chainDocument } as const;

export const topologySchema = v.union([graphDocument, chainDocument]);

/** Named definitions that the JSON Schema refers to. */
export const sharedSchemas = { duration, fraction, fault, action, ...behaviorValues, ...callValues };

export type ServiceEntry = v.InferOutput<typeof serviceSchema>;
export type GraphDocument = v.InferOutput<typeof graphDocument>;
export type ChainDocument = v.InferOutput<typeof chainDocument>;
export type Defaults = NonNullable<GraphDocument["defaults"]>;
export type ActionEntry = v.InferOutput<typeof action>;
