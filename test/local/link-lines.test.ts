import { beforeEach, describe, expect, test } from "bun:test";
import { LinkLines } from "../../src/local/link-lines.ts";

describe("log lines of many links", () => {
  let written: string[];
  let lines: LinkLines;
  beforeEach(() => {
    written = [];
    lines = new LinkLines((line) => written.push(line));
  });

  test("are written at once, and what all say is said once more, with how many times", async () => {
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

  test("that one link alone says are only written", () => {
    lines.write("one");
    lines.close();
    lines.close();
    expect(written).toEqual(["one"]);
  });
});
