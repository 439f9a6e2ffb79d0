import { describe, expect, test } from "bun:test";
import type { LiveObject } from "../../../src/kubernetes/api/live-object.ts";
import { buildObjects } from "../../../src/kubernetes/objects.ts";
import {
  assertRevisionFits,
  buildRevision,
  readContent,
  readRevision,
} from "../../../src/kubernetes/release/revision.ts";
import { buildChain } from "../../../src/topology/chain.ts";

const INPUTS = { topology: "chain-link", links: 3, image: "i:1", sleepSeconds: 60 };
const CONTENT = {
  release: "shop",
  namespace: "demo",
  revision: 7,
  inputs: INPUTS,
  objects: buildObjects(buildChain(3), { namespace: "demo" }),
};

function stored(change: object = {}): LiveObject {
  const secret = { ...buildRevision(CONTENT, "token"), ...change };
  const metadata = {
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-11-23T10:00:00Z",
    ...secret.metadata,
  };
  return { ...secret, metadata };
}

describe("a revision", () => {
  test("comes back from its Secret as it was", () => {
    expect(readContent(stored(), "shop")).toEqual(JSON.parse(JSON.stringify(CONTENT)));
  });

  test("is described by its metadata alone", () => {
    expect(readRevision(stored())).toMatchObject({
      number: 7,
      name: "chain-link.shop.v7",
      status: "pending",
      inputs: INPUTS,
      attempt: "token",
    });
  });

  test("counts as interrupted if somebody gave it an unknown status", () => {
    const { metadata } = stored();
    const labels = { ...metadata.labels, "chain-link.dev/status": "fine" };
    expect(readRevision({ metadata: { ...metadata, labels } })?.status).toBe("interrupted");
  });

  test("is not read from a Secret under another name", () => {
    const { metadata } = stored();
    expect(readRevision({ metadata: { ...metadata, name: "chain-link.shop" } })).toBeNull();
  });

  test.each([
    ["emptied", {}, "cannot be read"],
    ["overwritten", { revision: Buffer.from("hello").toString("base64") }, "cannot be read"],
    [
      "replaced by another's",
      { revision: (buildRevision({ ...CONTENT, revision: 6 }, "t").data as Record<string, string>).revision },
      "holds revision 6",
    ],
  ])("that somebody %s is refused", (_, data, found) => {
    expect(() => readContent(stored({ data }), "shop")).toThrow(found);
  });

  test("of 1,000 links takes a small part of what a Secret holds", () => {
    const objects = buildObjects(buildChain(1000), { namespace: "demo" });
    const { data } = buildRevision({ ...CONTENT, objects }, "t");
    expect(Buffer.from((data as Record<string, string>).revision ?? "", "base64").length).toBeLessThan(
      100_000,
    );
  });

  test("that no Secret could hold is refused before anything is applied", () => {
    const noise = Buffer.from(
      Array.from(
        { length: 1_500_000 },
        (_, index) => (index * 7919) ^ (index >> 3) ^ Math.floor(Math.random() * 256),
      ),
    );
    const objects = [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { a: noise.toString("base64") } },
    ];
    expect(() => buildRevision({ ...CONTENT, objects }, "t")).toThrow("1048576");
  });
});

describe("the size of a revision", () => {
  /** Annotations that do not compress, of so many bytes in base64. */
  const objectsOf = (sizeBytes: number) => {
    const { objects } = CONTENT;
    const [first, ...others] = objects;
    if (first === undefined) throw new Error("a chain has objects");
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(1024)));
    const text = Array.from({ length: Math.ceil(sizeBytes / 1024) }, () => {
      crypto.getRandomValues(noise);
      return noise.toString("hex");
    }).join("");
    return [{ ...first, metadata: { ...first.metadata, annotations: { noise: text } } }, ...others];
  };

  test("may be whatever fits into a Secret once it is compressed", () => {
    // Hexadecimal digits of random bytes shrink to a little more than those bytes.
    expect(() => assertRevisionFits(objectsOf(700 * 1024))).not.toThrow();
    const repeated = Array.from({ length: 2000 }, () => CONTENT.objects).flat();
    expect(() => assertRevisionFits(repeated)).not.toThrow();
  });

  test("is refused above the limit of a Secret, with both sizes", () => {
    const objects = objectsOf(1100 * 1024);
    expect(() => assertRevisionFits(objects)).toThrow(
      /takes \d{7} bytes; the Secret that records a revision holds at most 1048576/,
    );
    expect(() => buildRevision({ ...CONTENT, objects }, "token")).toThrow(/too large/);
  });
});
