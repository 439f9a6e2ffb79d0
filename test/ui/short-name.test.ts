import { describe, expect, test } from "bun:test";
import { namerOf, shorten } from "../../ui/shell/short-name.ts";

describe("a text that is too long", () => {
  test("keeps its beginning and its end", () => {
    expect(shorten("select a from orders where id = 42", 15)).toBe("select …id = 42");
    expect(shorten("short", 5)).toBe("short");
    expect(shorten("x".repeat(5000), 100)).toHaveLength(100);
  });

  test("is never cut within a surrogate pair", () => {
    for (let most = 3; most < 12; most++) {
      const text = shorten("🐘".repeat(20), most);
      expect(text.isWellFormed()).toBe(true);
      expect(text.length).toBeLessThanOrEqual(most);
    }
  });
});

describe("names of services", () => {
  const shortOf = (...names: string[]) => names.map(namerOf(names));

  test("are shown without their common prefix, which ends at a separator", () => {
    expect(shortOf("acme-eu-cart", "acme-eu-catalog")).toEqual(["cart", "catalog"]);
    expect(shortOf("com.acme.cart", "com.acme/shop")).toEqual(["acme.cart", "acme/shop"]);
  });

  test("keep the word before a number, and are never empty", () => {
    expect(shortOf("chain-link-service-0", "chain-link-service-1")).toEqual(["service-0", "service-1"]);
    expect(shortOf("acme", "acme-cart")).toEqual(["acme", "acme-cart"]);
    expect(shortOf("acme-cart")).toEqual(["acme-cart"]);
    expect(shortOf("cart", "shop")).toEqual(["cart", "shop"]);
    expect(shortOf()).toEqual([]);
  });
});
