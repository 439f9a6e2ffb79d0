import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseTopology } from "../../src/topology/parse.ts";
import { colorOf, SERVICE_COLORS } from "../../ui/colors.ts";

const ROOT = join(import.meta.dir, "../..");

test("neighbors in a chain, and services of one example, have different colors", () => {
  const alike: string[] = [];
  const compare = (a: string, b: string) => {
    if (colorOf(a) === colorOf(b)) alike.push(`${a} and ${b}`);
  };
  for (let link = 0; link < 100; link++) {
    compare(`chain-link-service-${link}`, `chain-link-service-${link + 1}`);
  }
  for (const file of readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".yaml"))) {
    const topology = parseTopology(readFileSync(join(ROOT, "examples", file), "utf8"), file);
    const names = [...topology.services.keys()];
    for (const [index, name] of names.entries()) {
      for (const other of names.slice(index + 1)) compare(name, other);
    }
  }
  expect(alike).toEqual([]);
});

describe.each(["light", "dark"] as const)("the service colors of the %s theme", (theme) => {
  const colors = Array.from({ length: SERVICE_COLORS }, (_, index) => readColor(`service-${index}`, theme));

  test("differ for every kind of color vision, and those of neighbors in a chain differ clearly", () => {
    const close: string[] = [];
    for (const [index, color] of colors.entries()) {
      for (const [other, second] of colors.entries()) {
        if (other <= index) continue;
        const isNext = other - index === 1 || other - index === SERVICE_COLORS - 1;
        for (const [sight, matrix] of Object.entries(SIGHTS)) {
          const least = sight === "full" || isNext ? CLEARLY : BARELY;
          if (distance(see(color, matrix), see(second, matrix)) < least)
            close.push(`${index} and ${other}, ${sight}`);
        }
      }
    }
    expect(close).toEqual([]);
  });

  test("contrast with the background, and text contrasts with them", () => {
    const papers = ["paper", "paper-2"].map((name) => readColor(name, theme));
    const text = readColor("on-color", theme);
    expect(colors.filter((color) => papers.some((paper) => contrast(color, paper) < 3))).toEqual([]);
    expect(colors.filter((color) => contrast(color, text) < 4.5)).toEqual([]);
  });
});

type Triple = readonly [number, number, number];

/** Distances in Oklab: colors side by side are told apart at a glance, or only on a closer look. */
const [CLEARLY, BARELY] = [0.095, 0.045];

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB. */
const SIGHTS: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Linear RGB from 0 to 1. */
function readColor(name: string, theme: "light" | "dark"): Triple {
  const css = readFileSync(join(ROOT, "ui/shell/colors.css"), "utf8");
  const found = new RegExp(`--${name}: light-dark\\(#(\\w{6}), #(\\w{6})\\)`).exec(css);
  const hex = found?.[theme === "light" ? 1 : 2] ?? expect.unreachable(`no --${name} in colors.css`);
  return [0, 2, 4].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as unknown as Triple;
}

function dot([a, b, c]: Triple, [x, y, z]: Triple): number {
  return a * x + b * y + c * z;
}

function see(color: Triple, matrix: readonly [Triple, Triple, Triple]): Triple {
  return matrix.map((row) => Math.max(0, dot(row, color))) as unknown as Triple;
}

/** Distance of two colors in Oklab: https://bottosson.github.io/posts/oklab/ */
function distance(a: Triple, b: Triple): number {
  const [x, y] = [toOklab(a), toOklab(b)];
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
}

function toOklab(color: Triple): Triple {
  const lms: Triple = [
    Math.cbrt(dot([0.4122214708, 0.5363325363, 0.0514459929], color)),
    Math.cbrt(dot([0.2119034982, 0.6806995451, 0.1073969566], color)),
    Math.cbrt(dot([0.0883024619, 0.2817188376, 0.6299787005], color)),
  ];
  return [
    dot([0.2104542553, 0.793617785, -0.0040720468], lms),
    dot([1.9779984951, -2.428592205, 0.4505937099], lms),
    dot([0.0259040371, 0.7827717662, -0.808675766], lms),
  ];
}

/** The contrast ratio of WCAG, from 1 to 21. */
function contrast(a: Triple, b: Triple): number {
  const [x, y] = [a, b].map((color) => dot([0.2126, 0.7152, 0.0722], color) + 0.05) as [number, number];
  return Math.max(x, y) / Math.min(x, y);
}
