// The limit of scrapes that run at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ScrapeLimit } from "../../../sidecar/scrape/scrape-limit.ts";

test("all scrapes together stay below the limit, and scrapes of failing pods below a quarter of it", () => {
  const limit = new ScrapeLimit(8);
  assert.deepEqual([limit.begin(true), limit.begin(true), limit.begin(true)], [true, true, false]);
  for (let i = 0; i < 6; i++) assert.equal(limit.begin(false), true);
  assert.equal(limit.begin(false), false);
  limit.end(true);
  assert.equal(limit.begin(true), true);
  assert.equal(limit.begin(false), false);
  assert.equal(limit.running, 8);
});

test("with a limit of one, a failing pod is still scraped", () => {
  const limit = new ScrapeLimit(1);
  assert.equal(limit.begin(true), true);
  limit.end(true);
  assert.equal(limit.running, 0);
});
