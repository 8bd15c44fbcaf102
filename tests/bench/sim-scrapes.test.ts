// Scrapes in the simulation: each contender's are charged, and what is due meanwhile is late.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contenderOf } from "../../bench/sim/contenders.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import type { SimRequest } from "../../bench/sim/request.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import type { Contender } from "../../bench/sim/world.ts";
import { pageMs } from "../../simulator/page-cost.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";

const small = (params: Partial<PodParams> = {}) => makeLoad("sessions", { seed: 5, requests: 150, params });
const share = (name: string, params: Partial<PodParams> = {}) =>
  simulate(small(params), contenderOf(name), { seed: 5 }).scrapeShare;

test("the endpoint picker's scrapes take a fifth of a pod's time, and contenders that do not scrape take none", () => {
  const expected = pageMs(defaultParams(), "whole") / 50;
  for (const name of ["epp", "epp-auto", "epp-ob", "llmd-ob"]) {
    const seen = share(name);
    assert.ok(Math.abs(seen - expected) < 0.01, `${name}: ${seen}`);
  }
  for (const name of ["rr", "lr", "exact", "dynamo"]) assert.equal(share(name), 0, name);
});

test("Pilotfish's sidecars are charged for restricted pages, each for its own, and for whole pages where a pod honours no names", () => {
  const one = share("tokens-1-scrape100");
  assert.ok(one > 0);
  const whole = share("tokens-1-whole-scrape100");
  const ratio = pageMs(defaultParams(), "whole") / pageMs(defaultParams(), "restricted");
  assert.ok(Math.abs(whole / one / ratio - 1) < 0.05, `${whole} of ${one}`);
  assert.ok(Math.abs(share("tokens-1-scrape100", { nameQuery: "ignored" }) / whole - 1) < 0.05);
  assert.ok(share("tokens-1x2-mute-scrape100") > 1.5 * one);
});

test("where pages are dear, Pilotfish's sidecars scrape less often", () => {
  const fixed = share("tokens-1-whole-scrape50");
  const paced = share("tokens-1-whole");
  // While the learner wants scrapes, they may take a twentieth of a pod's time. At every 50 ms they take a fifth.
  assert.ok(paced < 0.06 && fixed > 0.15, `${paced} and ${fixed}`);
});

test("without costs nothing is charged", () => {
  assert.equal(share("epp", { scrapeRequestMs: 0, scrapeByteMs: 0 }), 0);
});

/** Sends every request to the first pod, and scrapes that pod at each arrival. */
const scraper = (page: "whole" | "restricted" | undefined): Contender => ({
  name: "scraper",
  title: "scrapes",
  start: (world) => ({
    route() {
      if (page !== undefined) world.scrape(0, page);
      return { pod: 0 };
    },
  }),
});

test("a request that arrives while a page is rendered is accepted after it", () => {
  const first = small().requests[0] as SimRequest;
  const params = { ...defaultParams(), scrapeByteMs: 0, scrapeRequestMs: 7 };
  const load = { name: "one", title: "one", pods: 1, requests: [first], spans: [], params: () => params };
  const [free, scraped] = [undefined, "whole" as const].map((page) =>
    simulate(load, scraper(page), { seed: 1, warmUp: 0 }),
  );
  assert.ok(Math.abs((scraped?.mean ?? 0) - (free?.mean ?? 0) - 7) < 1e-6, `${scraped?.mean} after ${free?.mean}`);
});
