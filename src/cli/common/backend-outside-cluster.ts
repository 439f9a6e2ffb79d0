import { UserError } from "../../lib/errors.ts";

/** The error for a release whose spans cannot be read through the API server. */
export function backendOutsideCluster(url: string): UserError {
  return new UserError(
    "backend-unreadable",
    `the links send their spans to ${url || "an unknown address"}, which is not a Service of the cluster`,
    "Use --backend to say where spans can be read from this machine.",
  );
}
