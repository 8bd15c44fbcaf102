import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type PlotOptions, plot } from "../../testkit/svg.ts";

const OPTIONS: PlotOptions = {
  title: "Cost & size",
  subtitle: "a <machine>",
  xLabel: "size",
  yLabel: "µs",
  formatX: (x) => `${x} B`,
  floorY: 1,
};
const point = (x: number, y: number) => ({ x, y, low: y, high: y });

/** Positions of the dots of each line. */
function dots(svg: string): { x: number; y: number; label: string }[] {
  return [...svg.matchAll(/<circle cx="([^"]+)" cy="([^"]+)"[^>]*><title>([^<]*)</g)].map((match) => ({
    x: Number(match[1]),
    y: Number(match[2]),
    label: match[3] as string,
  }));
}

describe("bench plot", () => {
  test("equal ratios are equal distances, on both axes", () => {
    const svg = plot(
      [{ title: "p", lines: [{ name: "a", points: [1, 10, 100].map((n) => point(n * 1024, n)) }] }],
      OPTIONS,
    );
    const [first, second, third] = dots(svg);
    assert.ok(first && second && third);
    assert.ok(Math.abs(second.x - first.x - (third.x - second.x)) < 0.3);
    assert.ok(Math.abs(second.y - first.y - (third.y - second.y)) < 0.3);
    assert.ok(second.x > first.x && second.y < first.y);
  });

  test("a value without a logarithm is drawn on the floor, with its true figure in the label", () => {
    const svg = plot([{ title: "p", lines: [{ name: "a", points: [point(1, -3), point(10, 1)] }] }], OPTIONS);
    const [below, floor] = dots(svg);
    assert.equal(below?.y, floor?.y);
    assert.match(below?.label ?? "", /-3/);
  });

  test("every dot lies inside the picture, and no coordinate is NaN", () => {
    const panels = [1, 2, 3].map((n) => ({
      title: `panel ${n}`,
      lines: [{ name: "a", points: [{ x: 512 * n, y: 3 * n, low: -1, high: 1e6 }] }],
    }));
    const svg = plot(panels, OPTIONS);
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    assert.equal(dots(svg).length, 3);
    for (const { x, y } of dots(svg)) assert.ok(x > 0 && x < Number(width) && y > 0 && y < Number(height));
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });

  test("every line looks different, also when there are more lines than colours", () => {
    const lines = Array.from({ length: 16 }, (_, i) => ({ name: `line ${i}`, points: [point(1, 2), point(10, 3)] }));
    const svg = plot([{ title: "p", lines }], OPTIONS);
    const drawn = [...svg.matchAll(/<path d="M[^"]*L[^"]*" fill="none" (.*?)\/>/g)].map((match) => match[1]);
    assert.equal(drawn.length, 16);
    assert.equal(new Set(drawn).size, 16);
    const legend = [...svg.matchAll(/<path d="M[^"]*h22" (.*?)\/>/g)].map((match) => match[1]);
    assert.deepEqual(legend, drawn);
  });

  test("a line has the same colour in every panel and is in the legend once", () => {
    const lines = (names: string[]) => names.map((name) => ({ name, points: [point(1, 2)] }));
    const svg = plot(
      [
        { title: "1", lines: lines(["a", "b"]) },
        { title: "2", lines: lines(["b"]) },
      ],
      OPTIONS,
    );
    const colours = [...svg.matchAll(/<circle [^>]*fill="(#\w+)"[^>]*><title>b,/g)].map((match) => match[1]);
    assert.equal(colours.length, 2);
    assert.equal(new Set(colours).size, 1);
    assert.equal([...svg.matchAll(/>b<\/text>/g)].length, 1);
  });

  test("texts are escaped", () => {
    const svg = plot([{ title: 'a"<b>', lines: [{ name: "&", points: [point(1, 1)] }] }], OPTIONS);
    assert.match(svg, /Cost &amp; size/);
    assert.match(svg, /a &lt;machine&gt;/);
    assert.match(svg, /a&quot;&lt;b&gt;/);
    assert.doesNotMatch(svg, /<b>/);
  });

  test("a plot without a point is refused", () => {
    assert.throws(() => plot([{ title: "p", lines: [] }], OPTIONS), /no panel has a point/);
  });
});
