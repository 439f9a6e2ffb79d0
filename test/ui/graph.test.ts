import { describe, expect, test } from "bun:test";
import { collapseByPrefix, collectGraph, type Graph, sortGraph } from "../../ui/graph/graph-model.ts";
import { layOut } from "../../ui/graph/layout.ts";
import { rankNodes } from "../../ui/graph/layout-map.ts";
import { type Layout, NODE_HEIGHT, NODE_WIDTH } from "../../ui/graph/picture.ts";

const ASPECT = 1.8;

function graphOf(names: readonly string[], calls: readonly (readonly [string, string])[]): Graph {
  return {
    nodes: names.map((id) => ({ id, members: [id] })),
    edges: calls.map(([from, to]) => ({ from, to, members: [[from, to]] })),
  };
}

function chain(count: number): Graph {
  const names = Array.from({ length: count }, (_, index) => `chain-link-service-${index}`);
  return graphOf(
    names,
    names.slice(1).map((name, index) => [names[index] as string, name]),
  );
}

/** Every service calls three others, in eight groups. */
function tree(count: number): Graph {
  const names = Array.from({ length: count }, (_, index) => `team${index % 8}-service${index}-v1`);
  return graphOf(
    names,
    names.slice(1).map((name, index) => [names[Math.floor(index / 3)] as string, name]),
  );
}

function numbersOf(path: string): number[] {
  return Array.from(path.matchAll(/-?[\d.]+/g), ([number]) => Number(number));
}

/** The largest y of pairs of x and y. */
function highest(numbers: readonly number[] = []): number {
  return Math.max(...numbers.filter((_, index) => index % 2 === 1));
}

function expectApart({ nodes, width, height }: Layout): void {
  const places = [...nodes.values()].sort((a, b) => a.x - b.x || a.y - b.y);
  for (const { x, y } of places) {
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x).toBeLessThanOrEqual(width);
    expect(y).toBeLessThanOrEqual(height);
  }
  for (const [at, a] of places.entries()) {
    for (let other = at + 1; (places[other]?.x ?? Number.POSITIVE_INFINITY) < a.x + NODE_WIDTH; other++) {
      expect(Math.abs((places[other]?.y ?? 0) - a.y)).toBeGreaterThanOrEqual(NODE_HEIGHT);
    }
  }
}

describe("the layout of a graph", () => {
  for (const [name, graph] of Object.entries({
    "a chain of 5": chain(5),
    "a chain of 1,000": chain(1000),
    "a tree of 50": tree(50),
    "a tree of 1,000": tree(1000),
    "a cycle": graphOf(
      ["a", "b", "c"],
      [
        ["a", "b"],
        ["b", "c"],
        ["c", "a"],
      ],
    ),
    "everybody calls everybody": graphOf(
      [..."abcdefgh"],
      [..."abcdefgh"].flatMap((from) =>
        [..."abcdefgh"].filter((to) => to > from).map((to) => [from, to] as const),
      ),
    ),
    "one link": graphOf(["a"], []),
  })) {
    test(`${name}: no link covers another, and each edge has a path`, () => {
      const layout = layOut(graph, ASPECT);
      expect(layout.nodes.size).toBe(graph.nodes.length);
      expectApart(layout);
      expect(layout.edges.map(({ path }) => /NaN|undefined/.test(path))).toEqual(
        graph.edges.map(() => false),
      );
    });
  }

  test("a short chain runs from top to bottom on a phone, where names side by side would be unreadable", () => {
    const upright = layOut(chain(3), 0.55);
    expectApart(upright);
    expect(upright.width).toBe(NODE_WIDTH);
    expect(layOut(chain(3), ASPECT).height).toBe(NODE_HEIGHT);
  });

  test("a thousand links fill the drawing instead of forming one line", () => {
    const { width, height } = layOut(tree(1000), ASPECT);
    expect(width / height).toBeGreaterThan(ASPECT / 1.5);
    expect(width / height).toBeLessThan(ASPECT * 1.5);
  });

  test("calls back to a caller and calls to the same service run below the nodes, within the drawing", () => {
    const layout = layOut(
      graphOf(
        ["a", "b"],
        [
          ["a", "b"],
          ["b", "a"],
          ["b", "b"],
        ],
      ),
      ASPECT,
    );
    const [there, back, round] = layout.edges.map(({ path }) => numbersOf(path));
    const foot = Math.max(...[...layout.nodes.values()].map(({ y }) => y)) + NODE_HEIGHT / 2;
    expect(highest(there)).toBeLessThanOrEqual(foot);
    for (const arc of [back, round]) {
      expect(highest(arc)).toBeGreaterThan(foot);
      expect(highest(arc)).toBeLessThanOrEqual(layout.height);
    }
  });

  test("callers are placed left of their callees, and a cycle among many nodes does not hang", () => {
    const graph = tree(200);
    const ranks = rankNodes({
      ...graph,
      edges: [...graph.edges, { from: "team7-service199-v1", to: "team0-service0-v1", members: [] }],
    });
    expect(ranks.flat()).toHaveLength(200);
    const { nodes } = layOut(graph, ASPECT);
    for (const { from, to } of graph.edges)
      expect(nodes.get(from)?.x ?? 0).toBeLessThan(nodes.get(to)?.x ?? 0);
  });
});

describe("the collected graph", () => {
  const calls = (...services: string[]) => services.map((service) => ({ service, probability: 1 }));
  const document = {
    name: "zoo",
    entry: "front",
    services: [
      { name: "front", calls: calls("zebra", "ant"), behavior: [] },
      { name: "zebra", calls: [], behavior: [] },
      { name: "ant", calls: calls("zebra"), behavior: [] },
    ],
  };
  const dependencies = [
    { parent: "service-10", child: "service-9" },
    { parent: "ant", child: "service-10" },
    { parent: "zebra", child: "ant" },
  ];
  const graph = sortGraph(collectGraph(document, dependencies, []), document);

  test("is sorted in the order of the document, then by name", () => {
    expect(graph.nodes.map(({ id }) => id)).toEqual(["front", "zebra", "ant", "service-9", "service-10"]);
  });

  test("leaves out a call between two links that the document does not contain: spans in between have not arrived", () => {
    expect(graph.edges.map(({ from, to }) => `${from} > ${to}`)).toEqual([
      "front > zebra",
      "front > ant",
      "ant > zebra",
      "ant > service-10",
      "service-10 > service-9",
    ]);
  });
});

describe("grouping by prefix", () => {
  test("uses the longest prefixes that make few enough groups, and merges their calls", () => {
    const { nodes, edges } = collapseByPrefix(tree(1000), new Set());
    expect(nodes.map(({ id }) => id).sort()).toEqual(Array.from({ length: 8 }, (_, team) => `team${team}-*`));
    expect(nodes.reduce((sum, { members }) => sum + members.length, 0)).toBe(1000);
    expect(edges.every(({ from, to }) => from !== to)).toBe(true);
  });

  test("groups numbered links by hundreds", () => {
    const { nodes } = collapseByPrefix(chain(1000), new Set());
    expect(nodes).toHaveLength(10);
    expect(nodes[0]).toMatchObject({ id: "chain-link-service-0…99" });
    expect(nodes[0]?.members).toHaveLength(100);
  });

  test("groups numbers with gaps by hundreds too, so that a group may have only ten members", () => {
    const names = Array.from({ length: 100 }, (_, index) => `cart-${10 * index}`);
    const { nodes } = collapseByPrefix(graphOf(names, []), new Set());
    expect(nodes).toHaveLength(10);
    expect(nodes[1]).toMatchObject({ id: "cart-100…199" });
    expect(nodes[1]?.members).toHaveLength(10);
  });

  test("shows the members of an open group, and the name of a group of one", () => {
    const graph = graphOf(["shop-a", "shop-b", "pay-a"], [["shop-a", "pay-a"]]);
    expect(collapseByPrefix(graph, new Set()).nodes.map(({ id }) => id)).toEqual(["shop-*", "pay-a"]);
    const opened = collapseByPrefix(graph, new Set(["shop-*"]));
    expect(opened.nodes.map(({ id }) => id)).toEqual(["shop-a", "shop-b", "pay-a"]);
  });
});
