import type { ApiClient } from "../api/client.ts";
import type { LiveObject } from "../api/live-object.ts";
import { RESOURCES, resourcePath } from "../api/resource.ts";
import { findPodTrouble } from "./pod-trouble.ts";
import type { ReadinessTracker, TrackedObject } from "./tracker.ts";

/** Everything that is known of why one object is not ready. */
export interface Diagnosis {
  readonly object: TrackedObject;
  /** A pod that shows it. */
  readonly pod: string | null;
  /** Newest last. */
  readonly events: readonly string[];
  readonly log: readonly string[];
}

/** Objects that are looked at closely; the others fail for the same reason as a rule. */
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
  const shown = (unready.length > 0 ? unready : tracker.listUnready()).slice(0, MAX_DIAGNOSED);
  return Promise.all(
    shown.map(async (object) => {
      const pods = tracker
        .listPods(object)
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const pod = pods.find((it) => findPodTrouble(it) !== null) ?? pods[0] ?? null;
      const about = pod?.metadata.name ?? object.name;
      const [events, log] = await Promise.all([
        readEvents(client, namespace, about),
        pod === null ? [] : readLog(client, namespace, pod),
      ]);
      return { object, pod: pod?.metadata.name ?? null, events, log };
    }),
  );
}

async function readEvents(client: ApiClient, namespace: string, name: string): Promise<string[]> {
  const events = await client
    .listAll(RESOURCES.event, namespace, { fieldSelector: `involvedObject.name=${name}` })
    .catch((): LiveObject[] => []);
  const time = (event: LiveObject): string =>
    event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  const warnings = events.filter(({ type }) => type === "Warning");
  const texts = warnings
    .sort((a, b) => (time(a) < time(b) ? -1 : 1))
    .map(({ reason, message }) => `${reason}: ${String(message).trim()}`);
  return [...new Set(texts)].slice(-MAX_EVENTS);
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
  const text = await client
    .raw(path)
    .then((response) => (response.ok ? response.text() : ""))
    .catch(() => "");
  return text !== ""
    ? text
        .trimEnd()
        .split("\n")
        .filter((line) => line !== "")
    : [];
}
