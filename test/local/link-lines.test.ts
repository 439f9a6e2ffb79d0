import { beforeEach, describe, expect, test } from "bun:test";
import { LinkLines } from "../../src/local/link-lines.ts";

describe("log lines of many links", () => {
  let written: string[];
  let lines: LinkLines;
  beforeEach(() => {
    written = [];
    lines = new LinkLines((line) => written.push(line));
  });

  test("are written immediately, and repeated lines once more with their number", async () => {
    for (let link = 0; link < 1000; link++) lines.write("no backend");
    lines.write("another");
    expect(written).toEqual(["no backend", "another"]);
    await Bun.sleep(1100);
    expect(written).toEqual(["no backend", "another", "no backend (999 more times)"]);
    lines.write("no backend");
    lines.write("no backend");
    lines.close();
    expect(written.slice(3)).toEqual(["no backend", "no backend (1 more time)"]);
  });

  test("of a single link are only written", () => {
    lines.write("one");
    lines.close();
    lines.close();
    expect(written).toEqual(["one"]);
  });
});
