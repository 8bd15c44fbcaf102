// What scraping costs a pod, estimated from the time to answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ScrapeCost } from "../../../sidecar/scrape/page/scrape-cost.ts";

const near = (actual: number, expected: number, within: number) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual}, expected ${expected} within ${within}`);

/** Scrapes from `from` to `to`, every `everyMs`. Each takes `ms`. */
function scrapes(cost: ScrapeCost, from: number, to: number, everyMs: number, ms: (at: number) => number): void {
  for (let at = from; at < to; at += everyMs) cost.scraped(at, ms(at), 50_000);
}

test("a pod that was never read has no cost", () => {
  const cost = new ScrapeCost();
  assert.equal(cost.leastMs, null);
  assert.equal(cost.shareAt(1000), 0);
  assert.deepEqual([cost.bytes, cost.pages], [0, { whole: 0, restricted: 0 }]);
});

test("ten scrapes a second of 9 ms are a share of 9 percent, soon after the first and later", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 500, 2500, 100, () => 9);
  near(cost.shareAt(2500), 0.09, 0.005);
  scrapes(cost, 2500, 300_000, 100, () => 9);
  near(cost.shareAt(300_000), 0.09, 0.002);
  assert.equal(cost.leastMs, 9);
  assert.equal(cost.bytes, 2995 * 50_000);
});

test("a queue in the pod lengthens answers, and does not raise the estimate", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 0, 60_000, 100, (at) => (at % 1000 === 0 ? 9 : 200));
  assert.equal(cost.leastMs, 9);
  near(cost.shareAt(60_000), 0.09, 0.005);
});

test("a slow first answer, as of a cold server, counts no more than the others", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 0, 5000, 100, (at) => (at === 0 ? 400 : 2));
  near(cost.shareAt(5000), 0.02, 0.001);
});

test("a smallest time is forgotten after two windows", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 0, 1000, 100, () => 1);
  scrapes(cost, 1000, 61_000, 100, () => 12);
  assert.equal(cost.leastMs, 12);
});

test("a long time without a scrape forgets the smallest time, and the share falls", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 0, 60_000, 100, () => 9);
  assert.ok(cost.shareAt(300_000) < 0.0001);
  cost.scraped(600_000, 20, 1);
  assert.equal(cost.leastMs, 20);
});

test("both kinds of pages have a cost of their own, and the share has both", () => {
  const cost = new ScrapeCost();
  for (let at = 0; at < 120_000; at += 100) cost.scraped(at, 0.5, 1700, "restricted");
  for (let at = 120_000; at < 300_000; at += 100) {
    if (at % 10_000 === 0) cost.scraped(at, 10, 50_000, "whole");
    cost.scraped(at, 0.5, 1700, "restricted");
  }
  assert.equal(cost.leastMs, 10);
  cost.next = "restricted";
  assert.equal(cost.leastMs, 0.5);
  near(cost.shareAt(300_000), 0.005 + 0.001, 0.0005);
  assert.deepEqual(cost.pages, { whole: 18, restricted: 3000 });
});

test("a share is at most 1, and no input makes it NaN", () => {
  const cost = new ScrapeCost();
  scrapes(cost, 0, 10_000, 10, () => 1000);
  assert.equal(cost.shareAt(10_000), 1);
  cost.scraped(5000, -3, 0);
  assert.equal(cost.leastMs, 0);
  assert.ok(cost.shareAt(0) >= 0 && cost.shareAt(0) <= 1);
});
