// The API server process of a simulated pod: what waits while a page is rendered, and what a page costs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiProcess } from "../../simulator/api-process.ts";
import { SimClock } from "../../simulator/clock.ts";
import { pageMs, scrapeMs } from "../../simulator/page-cost.ts";
import { defaultParams } from "../../simulator/params.ts";

const within = (value: number, low: number, high: number) => assert.ok(value >= low && value <= high, `${value}`);

test("a free process runs a task at once, and a process that renders runs it afterwards", () => {
  const clock = new SimClock(100);
  const api = new ApiProcess(clock);
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} ${clock.now()}`);
  api.run(note("free"));
  assert.equal(api.render(10, note("page")), 10);
  clock.advance(4);
  api.run(note("token"));
  assert.deepEqual(ran, ["free 100"]);
  clock.advance(20);
  assert.deepEqual(ran, ["free 100", "page 110", "token 110"]);
});

test("pages are rendered one after another, and what came between two pages runs between them", () => {
  const clock = new SimClock();
  const api = new ApiProcess(clock);
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} ${clock.now()}`);
  api.render(10, note("first"));
  api.run(note("token"));
  assert.equal(api.render(5, note("second")), 15);
  api.run(note("request"));
  clock.drain();
  assert.deepEqual(ran, ["first 10", "token 10", "second 15", "request 15"]);
  assert.deepEqual([api.pages, api.pageMs], [2, 15]);
});

test("a task that a task adds comes after all tasks that wait", () => {
  const clock = new SimClock();
  const api = new ApiProcess(clock);
  const ran: string[] = [];
  api.render(1, () => api.run(() => ran.push("added")));
  api.run(() => ran.push("waited"));
  clock.drain();
  assert.deepEqual(ran, ["waited", "added"]);
});

test("a page without cost is counted and delays nothing", () => {
  const clock = new SimClock();
  const api = new ApiProcess(clock);
  const ran: string[] = [];
  assert.equal(
    api.render(0, () => ran.push("page")),
    0,
  );
  api.run(() => ran.push("token"));
  assert.deepEqual(ran, ["page", "token"]);
  assert.deepEqual([api.pages, api.pageMs, clock.pending], [1, 0, 0]);
});

test("a closed process runs nothing any more", () => {
  const clock = new SimClock();
  const api = new ApiProcess(clock);
  api.render(10, () => assert.fail("ran"));
  api.close();
  clock.drain();
  assert.equal(clock.now(), 0);
});

test("costs by default are those of a real vLLM: 8 to 10 ms for 48 KB, 0.3 ms for 1.7 KB, and the request itself", () => {
  const params = defaultParams();
  const request = params.scrapeRequestMs;
  within(request, 0.2, 0.25);
  within(scrapeMs(params, 48_000) - request, 8, 10);
  within(scrapeMs(params, 1700) - request, 0.28, 0.35);
  within(pageMs(params, "restricted"), 1, 1.3);
  within(pageMs(params, "whole"), 9, 12);
});

test("with several API server processes a page costs more, with each process", () => {
  const cost = (apiServers: number) => scrapeMs({ ...defaultParams(), apiServers }, 38_000);
  assert.ok(cost(2) > 1.5 * cost(1));
  assert.ok(cost(4) > cost(2));
});

test("costs can be switched off", () => {
  assert.equal(pageMs({ scrapeRequestMs: 0, scrapeByteMs: 0, apiServers: 1 }, "whole"), 0);
});
