// The profile "restricted": https://kubernetes.io/docs/concepts/security/pod-security-standards/

/** Part of every pod spec. Service links are off because a Service named `chain-link` would set `CHAIN_LINK_PORT`. */
export const POD_HARDENING = Object.freeze({
  automountServiceAccountToken: false,
  enableServiceLinks: false,
});

/** Part of every pod's `securityContext`. */
export const POD_SECURITY = Object.freeze({
  runAsNonRoot: true,
  seccompProfile: Object.freeze({ type: "RuntimeDefault" }),
});

/** Part of every container's `securityContext`. */
export const CONTAINER_SECURITY = Object.freeze({
  allowPrivilegeEscalation: false,
  capabilities: Object.freeze({ drop: Object.freeze(["ALL"]) }),
  readOnlyRootFilesystem: true,
});

/** A rollout without progress for this long has failed. The Kubernetes default is 600. */
export const PROGRESS_DEADLINE_SECONDS = 120;

/** The only writable folder under a read-only root. */
export const TEMPORARY_VOLUME = Object.freeze({ emptyDir: Object.freeze({}), name: "tmp" });
export const TEMPORARY_MOUNT = Object.freeze({ mountPath: "/tmp", name: "tmp" });
