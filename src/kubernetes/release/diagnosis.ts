import { errorText } from "../../lib/errors.ts";
import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, resourcePath } from "../api/resource.ts";
import { findPodTrouble } from "./pod-trouble.ts";
import type { ReadinessTracker, TrackedObject } from "./tracker.ts";

/** Everything that is known of why one object is not ready. */
export interface Diagnosis {
  readonly object: TrackedObject;
  /** Others of its kind that say the same. */
  readonly alike: readonly TrackedObject[];
  /** A pod that shows it. */
  readonly pod: string | null;
  /** Newest last. */
  readonly events: readonly string[];
  readonly log: readonly string[];
}

/** Different troubles that are looked at closely. */
const MAX_DIAGNOSED = 5;
const MAX_EVENTS = 3;
const LOG_LINES = 6;

/** Looks closely at what is not ready: events and last log lines. What cannot be read is left out. */
export function diagnose(
  client: ApiClient,
  namespace: string,
  tracker: ReadinessTracker,
): Promise<Diagnosis[]> {
  const unready = tracker.listUnready().filter(({ kind }) => kind !== "Service");
  const groups = Map.groupBy(
    unready.length > 0 ? unready : tracker.listUnready(),
    ({ kind, trouble, readiness }) => `${kind}: ${trouble || readiness.message}`,
  );
  return Promise.all(
    [...groups.values()].slice(0, MAX_DIAGNOSED).map(async ([object, ...alike]) => {
      if (object === undefined) throw new TypeError("a group without members");
      const pods = tracker
        .listPods(object)
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const pod = pods.find((it) => findPodTrouble(it) !== null) ?? pods[0] ?? null;
      const about = pod?.metadata.name ?? object.name;
      const [events, log] = await Promise.all([
        readEvents(client, namespace, about, object.trouble),
        pod === null ? [] : readLog(client, namespace, pod),
      ]);
      return { object, alike, pod: pod?.metadata.name ?? null, events, log };
    }),
  );
}

/** An event whose end is in the trouble says it in other words. */
const TELLING = 60;

/** Warnings that say more than the trouble itself. */
async function readEvents(
  client: ApiClient,
  namespace: string,
  name: string,
  trouble: string,
): Promise<string[]> {
  const events = await client
    .listAll(RESOURCES.event, namespace, { fieldSelector: `involvedObject.name=${name}` })
    .catch((): LiveObject[] => []);
  const time = (event: LiveObject): string =>
    event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  const warnings = events.filter(({ type }) => type === "Warning");
  const texts = warnings
    .sort((a, b) => (time(a) < time(b) ? -1 : 1))
    .map(({ reason, message }) => `${reason}: ${withoutPod(String(message))}`)
    .filter((text) => !REPEATS.test(text) && !trouble.includes(text.slice(-TELLING)));
  return [...new Set(texts)].slice(-MAX_EVENTS);
}

/** Events of the kubelet that repeat in other words why a container waits. */
const REPEATS = /^BackOff: |^Failed: Error: (?:ErrImagePull|ImagePullBackOff)$/;

/** Kubelets name the pod, though the event is about it: `… in pod NAME_NAMESPACE(UID)`. */
function withoutPod(message: string): string {
  return message.replace(/ in pod \S+\([\w-]+\)/, "").trim();
}

async function readLog(client: ApiClient, namespace: string, pod: LiveObject): Promise<string[]> {
  const source = findPodTrouble(pod)?.log ?? null;
  if (source === null) return [];
  const query = new URLSearchParams({
    container: source.container,
    tailLines: String(LOG_LINES),
    previous: String(source.isPrevious),
  });
  const path = `${resourcePath(RESOURCES.pod, namespace, pod.metadata.name)}/log?${query}`;
  const { status, body } = await client
    .raw(path)
    .catch((error: unknown) => ({ status: 0, body: errorText(error) }));
  return status === 200
    ? body
        .trimEnd()
        .split("\n")
        .filter((line) => line !== "")
    : [];
}
