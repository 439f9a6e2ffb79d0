import { computed, signal } from "@preact/signals";
import type { ControlState, LinkFaultJson, Mark } from "../../src/contract/control.ts";
import type { TopologyAnswer } from "../../src/contract/topology-answer.ts";
import { readJson } from "../shell/request.ts";

const KEY = "chain-link-token";
const REFRESH_MS = 1000;

/** `null` if this collector controls no chain. */
export const control = signal<ControlState | null>(null);
/** Why the last change was refused; empty if it was made. */
export const controlProblem = signal("");

const NO_MARKS: readonly Mark[] = [];
export const marks = computed(() => control.value?.marks ?? NO_MARKS);
export const isAllowed = computed(() => control.value?.isAllowed === true);

/** Read on first use: the first access to the session storage takes some milliseconds. */
let token: string | undefined;

/** Whether the tab has a token. It may belong to an earlier run. */
export function hasToken(): boolean {
  return readToken() !== "";
}

/** Moves the token from the fragment of the address into the session storage. */
export function takeToken(): void {
  const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (given === undefined) return;
  token = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // Without storage the token lasts until the page is closed.
  }
  history.replaceState(null, "", location.pathname + location.search);
}

function readToken(): string {
  try {
    token ??= sessionStorage.getItem(KEY) ?? "";
  } catch {
    token ??= "";
  }
  return token;
}

/**
 * Polls the state every second, because other clients may change it. Stops if the collector controls no
 * chain.
 */
export async function followControl(): Promise<void> {
  const answer = document.hidden && control.peek() !== null ? null : await request("GET", "");
  if (answer !== null && answer.status === 404) return;
  setTimeout(followControl, REFRESH_MS);
}

export const setRate = (ratePerSecond: number) => change("PUT", "/load", { ratePerSecond });
export const setFault = (link: string, fault: LinkFaultJson) =>
  change("PUT", `/faults/${encodeURIComponent(link)}`, fault);
export const clearFault = (link: string) => change("DELETE", `/faults/${encodeURIComponent(link)}`);
export const clearFaults = () => change("DELETE", "/faults");
export const setBackend = (backend: { readonly isDown: boolean; readonly forMs?: number }) =>
  change("PUT", "/backend", backend);

async function change(method: string, path: string, body?: unknown): Promise<boolean> {
  const { status, text } = await request(method, path, body);
  controlProblem.value = status === 200 ? "" : text || "chain-link does not answer, so nothing was changed.";
  return status === 200;
}

/** Sends a request. Every successful response carries the new state. */
async function request(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  const given = readToken();
  try {
    const response = await fetch(`api/control${path}`, {
      method,
      headers: {
        ...(given !== "" && { Authorization: `Bearer ${given}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) control.value = JSON.parse(text) as ControlState;
    return { status: response.status, text };
  } catch {
    return { status: 0, text: "" };
  }
}

/** The topology; `null` if it is unknown. */
export const topology = signal<TopologyAnswer | null>(null);

export async function readTopology(): Promise<void> {
  const answer = await readJson<TopologyAnswer>("api/topology");
  if (answer.kind === "ok") topology.value = answer.value;
}
