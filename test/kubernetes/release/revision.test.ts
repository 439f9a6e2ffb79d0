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
  test("is read back from its Secret unchanged", () => {
    expect(readContent(stored(), "shop")).toEqual(JSON.parse(JSON.stringify(CONTENT)));
  });

  test("is described by the metadata of its Secret, without the content", () => {
    expect(readRevision(stored())).toMatchObject({
      number: 7,
      name: "chain-link.shop.v7",
      status: "pending",
      inputs: INPUTS,
      attempt: "token",
    });
  });

  test("with an unknown status counts as interrupted", () => {
    const { metadata } = stored();
    const labels = { ...metadata.labels, "chain-link.dev/status": "fine" };
    expect(readRevision({ metadata: { ...metadata, labels } })?.status).toBe("interrupted");
  });

  test("is not read from a Secret under another name", () => {
    const { metadata } = stored();
    expect(readRevision({ metadata: { ...metadata, name: "chain-link.shop" } })).toBeNull();
  });

  test.each([
    ["is empty", {}, "cannot be read"],
    ["was overwritten", { revision: Buffer.from("hello").toString("base64") }, "cannot be read"],
    [
      "holds another revision",
      { revision: (buildRevision({ ...CONTENT, revision: 6 }, "t").data as Record<string, string>).revision },
      "holds revision 6",
    ],
  ])("is rejected if its Secret %s", (_, data, found) => {
    expect(() => readContent(stored({ data }), "shop")).toThrow(found);
  });

  test("of 1,000 links takes less than 100 kB of a Secret", () => {
    const objects = buildObjects(buildChain(1000), { namespace: "demo" });
    const { data } = buildRevision({ ...CONTENT, objects }, "t");
    expect(Buffer.from((data as Record<string, string>).revision ?? "", "base64").length).toBeLessThan(
      100_000,
    );
  });

  test("that is too large for a Secret is rejected when it is built", () => {
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
  /** Objects with an incompressible annotation of this size in base64. */
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

  test("may be anything that fits into a Secret after compression", () => {
    // Hexadecimal digits of random bytes compress to slightly more than those bytes.
    expect(() => assertRevisionFits(objectsOf(700 * 1024))).not.toThrow();
    const repeated = Array.from({ length: 2000 }, () => CONTENT.objects).flat();
    expect(() => assertRevisionFits(repeated)).not.toThrow();
  });

  test("above the limit of a Secret is rejected with both sizes", () => {
    const objects = objectsOf(1100 * 1024);
    expect(() => assertRevisionFits(objects)).toThrow(
      /takes \d{7} bytes; the Secret that records a revision holds at most 1048576/,
    );
    expect(() => buildRevision({ ...CONTENT, objects }, "token")).toThrow(/too large/);
  });
});
