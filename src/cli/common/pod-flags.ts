import { isReservedLabel, type PodSettings, type Toleration } from "../../topology/model.ts";
import { type Flag, type FlagValues, Unfit } from "../shell/flags.ts";

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const MAX_UID = 2 ** 31 - 1;

/** Settings for every pod of a release. */
export const POD_FLAGS = {
  "image-pull-secret": repeated(
    "NAME",
    "Image pull Secret for every pod; may be repeated.",
    (texts) => texts,
  ),
  "node-selector": pairs("Label that nodes must have to run the pods; may be repeated."),
  toleration: repeated(
    "KEY[=VALUE][:EFFECT]",
    "Taint that every pod tolerates; may be repeated.",
    (texts) => {
      const tolerations = texts.map(parseToleration);
      return tolerations.find((it) => it instanceof Unfit) ?? (tolerations as readonly Toleration[]);
    },
  ),
  "pod-annotation": pairs("Annotation of every pod; may be repeated."),
  "pod-label": pairs("Label of every pod; may be repeated.", (key) => !isReservedLabel(key)),
  "link-request": pairs("Resource request of each link, such as cpu=50m; may be repeated."),
  "link-limit": pairs("Resource limit of each link, such as memory=128Mi; may be repeated."),
  "run-as-user": userFlag(),
} as const;

type PodValues = FlagValues<typeof POD_FLAGS>;

export function readPodSettings(flags: PodValues): PodSettings {
  return {
    imagePullSecrets: flags["image-pull-secret"],
    nodeSelector: flags["node-selector"],
    tolerations: flags.toleration,
    annotations: flags["pod-annotation"],
    labels: flags["pod-label"],
    requests: flags["link-request"],
    limits: flags["link-limit"],
    runAsUser: flags["run-as-user"],
  };
}

function repeated<T>(
  placeholder: string,
  summary: string,
  parse: (texts: readonly string[]) => readonly T[] | Unfit,
): Flag<readonly T[]> {
  return {
    summary,
    placeholder,
    fallback: [],
    fallbackText: "",
    isRepeatable: true,
    parse: (texts) => parse(split(texts)),
  };
}

function pairs(
  summary: string,
  isFree: (key: string) => boolean = () => true,
): Flag<Readonly<Record<string, string>>> {
  const parse = (texts: readonly string[]) => {
    const found: Record<string, string> = {};
    for (const text of split(texts)) {
      const [, key = "", value] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
      if (value === undefined) return new Unfit("KEY=VALUE such as disk=ssd");
      if (!isFree(key)) return new Unfit("a label other than those that chain-link sets");
      found[key] = value;
    }
    return found;
  };
  return { summary, placeholder: "KEY=VALUE", fallback: {}, fallbackText: "", isRepeatable: true, parse };
}

function parseToleration(text: string): Toleration | Unfit {
  const [, key = "", value, effect] = /^([^=:\s]+)(?:=([^:]*))?(?::(\w+))?$/.exec(text) ?? [];
  if (key === "" || (effect !== undefined && !EFFECTS.includes(effect)))
    return new Unfit(`KEY[=VALUE][:EFFECT] with ${EFFECTS.join(", ")}, such as dedicated=mesh:NoSchedule`);
  return {
    key,
    operator: value === undefined ? "Exists" : "Equal",
    ...(value === undefined ? {} : { value }),
    ...(effect === undefined ? {} : { effect }),
  };
}

function userFlag(): Flag<number | "none" | null> {
  return {
    summary: "User ID of all containers; none lets the cluster choose, as OpenShift requires.",
    placeholder: "UID|none",
    fallback: null,
    fallbackText: "the images'",
    parse: (texts) => {
      const text = texts.at(-1) ?? "";
      if (text === "none") return text;
      const uid = /^\d+$/.test(text) ? Number(text) : 0;
      return uid >= 1 && uid <= MAX_UID ? uid : new Unfit(`a user id from 1 to ${MAX_UID}, or none`);
    },
  };
}

/** Splits at commas, so that one variable can hold several values. */
function split(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(",")).filter((text) => text !== "");
}
