// The profile "restricted": https://kubernetes.io/docs/concepts/security/pod-security-standards/

/** Goes into every pod. Service links are off: a Service `chain-link` would set `CHAIN_LINK_PORT`. */
export const POD_HARDENING = Object.freeze({
  automountServiceAccountToken: false,
  enableServiceLinks: false,
});

/** Goes into every pod's `securityContext`. */
export const POD_SECURITY = Object.freeze({
  runAsNonRoot: true,
  seccompProfile: Object.freeze({ type: "RuntimeDefault" }),
});

/** Goes into every container's `securityContext`. */
export const CONTAINER_SECURITY = Object.freeze({
  allowPrivilegeEscalation: false,
  capabilities: Object.freeze({ drop: Object.freeze(["ALL"]) }),
  readOnlyRootFilesystem: true,
});

/** After this long a rollout counts as failed; Kubernetes' own default is 600. */
export const PROGRESS_DEADLINE_SECONDS = 120;

/** A folder to write to under a read-only root. */
export const TEMPORARY_VOLUME = Object.freeze({ emptyDir: Object.freeze({}), name: "tmp" });
export const TEMPORARY_MOUNT = Object.freeze({ mountPath: "/tmp", name: "tmp" });
