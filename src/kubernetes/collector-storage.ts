// https://kubernetes.io/docs/concepts/storage/persistent-volumes/
import { parseSize } from "../lib/size.ts";
import { memberLabels } from "./labels.ts";
import type { CollectorStorage, KubernetesObject, ObjectOptions } from "./object.ts";

const COLLECTOR_CLAIM = "collector-storage";

const FOLDER = "/var/lib/chain-link";

/** Two collectors cannot write to one file, so the old pod must end before the new one starts. */
export const ONE_AT_A_TIME = Object.freeze({ type: "Recreate" });

/** Makes the volume writable for our user, whoever created it. */
export const STORAGE_GROUP = Object.freeze({ fsGroup: 10001, fsGroupChangePolicy: "OnRootMismatch" });

export const STORAGE_VOLUME = Object.freeze({
  name: COLLECTOR_CLAIM,
  persistentVolumeClaim: Object.freeze({ claimName: COLLECTOR_CLAIM }),
});
export const STORAGE_MOUNT = Object.freeze({ mountPath: FOLDER, name: COLLECTOR_CLAIM });

/** Spans get half of the volume. SQLite needs the rest for its write-ahead log and free pages. */
export function storageArguments({ size }: CollectorStorage): string[] {
  const maxBytes = Math.floor((parseSize(size) ?? 0) / 2);
  return ["--data", `${FOLDER}/spans.db`, "--max-bytes", String(maxBytes)];
}

/** The claim outlives the release, as a StatefulSet's does: it carries no ApplySet label, so nothing prunes it. */
export function buildCollectorClaim(
  { size, storageClass }: CollectorStorage,
  { namespace, release }: ObjectOptions,
): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { labels: memberLabels("zipkin", release), name: COLLECTOR_CLAIM, namespace },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: size } },
      ...(storageClass === null ? {} : { storageClassName: storageClass }),
    },
  };
}
