import type { ApiClient } from "../../kubernetes/api/client.ts";
import { ApplyFailed } from "../../kubernetes/release/apply.ts";
import type { DeployFailed } from "../../kubernetes/release/deployment.ts";
import { type Diagnosis, diagnose } from "../../kubernetes/release/diagnosis.ts";
import { NotReady } from "../../kubernetes/release/tracker.ts";
import { UserError } from "../../lib/errors.ts";
import type { Output } from "../shell/output.ts";

/** Maximum number of objects listed without a diagnosis. */
const MAX_NAMED = 20;

/** Explains on one screen what is wrong with a release and how to fix it. */
export async function showFailure(
  failure: DeployFailed,
  client: ApiClient,
  namespace: string,
  output: Output,
): Promise<void> {
  await showCause(failure, client, namespace, output);
  const { cause, revision } = failure;
  const { code = "release-failed", hint } = cause instanceof UserError ? cause : { hint: undefined };
  output.failureCode({ code, message: `Revision ${revision} failed: ${cause.message}`, hint });
}

async function showCause(
  { cause, revision }: DeployFailed,
  client: ApiClient,
  namespace: string,
  output: Output,
): Promise<void> {
  if (cause instanceof NotReady) {
    const { tracker } = cause;
    output.error(`Revision ${revision} failed: ${cause.message}`);
    const diagnoses = await diagnose(client, namespace, tracker);
    for (const diagnosis of diagnoses)
      for (const line of renderDiagnosis(diagnosis, output)) output.logLine(line);
    const shown = new Set(diagnoses.map(({ object: { kind, name } }) => `${kind} ${name}`));
    const names = tracker.listUnready().map(({ kind, name }) => `${kind} ${name}`);
    const rest = names.filter((name) => !shown.has(name));
    if (rest.length > 0) {
      const more = rest.length > MAX_NAMED ? ` and ${rest.length - MAX_NAMED} more` : "";
      output.print(`  also not ready: ${rest.slice(0, MAX_NAMED).join(", ")}${more}\n`);
    }
    output.print("\n");
    for (const hint of new Set(diagnoses.flatMap((diagnosis) => hintOf(diagnosis, namespace)))) {
      output.print(`${hint}\n`);
    }
    return;
  }
  if (cause instanceof ApplyFailed) {
    const texts = cause.problems.map(({ text }) => text);
    output.error(`Revision ${revision} failed: the API server refused ${texts.length} objects`);
    for (const text of texts.slice(0, MAX_NAMED)) output.logLine(`  ${text}`);
    if (texts.length > MAX_NAMED) output.print(`  and ${texts.length - MAX_NAMED} more\n`);
    if (texts.some((text) => text.includes("exceeded quota")))
      output.print("Raise the quota or deploy fewer links; run the same command again to resume.\n");
    return;
  }
  output.error(`Revision ${revision} failed: ${cause.message}`);
  if (cause instanceof UserError && cause.hint !== undefined) output.hint(cause.hint);
}

function renderDiagnosis({ object, pod, events, log }: Diagnosis, output: Output): string[] {
  const { kind, name, readiness, trouble } = object;
  return [
    `  ${output.style("bold", `${kind} ${name}`)}: ${readiness.message}`,
    ...(trouble === "" ? [] : [`    ${pod === null || pod === name ? "" : `pod ${pod}: `}${trouble}`]),
    ...events.map((event) => `    event ${event}`),
    ...log.map((line) => `    ${output.style("dim", `log | ${line}`)}`),
  ];
}

/** Hints for common problems. */
function hintOf({ object, pod, log }: Diagnosis, namespace: string): string[] {
  const { trouble } = object;
  if (/ImagePull|ErrImage|InvalidImageName/.test(trouble)) {
    return ["The image cannot be pulled. Check its name, and that the nodes can read its registry."];
  }
  if (/Unschedulable|no node|nodes are available/i.test(`${trouble} ${object.readiness.message}`)) {
    return ["No node has room for the pod. Deploy fewer links, or add a node."];
  }
  if (/quota/i.test(trouble))
    return ["The namespace's quota does not allow more pods. Raise it, or deploy fewer links."];
  if (log.length > 0 && pod !== null) return [`See the full log with: kubectl logs -n ${namespace} ${pod}`];
  return [];
}
