// The parts of `make bench-scrape` that need no server: streams, baselines, claims, the report.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkReader } from "../../bench/scrape/chunks.ts";
import { type ContenderName, type LoadName, streamUrls } from "../../bench/scrape/contenders.ts";
import type { Window } from "../../bench/scrape/measure.ts";
import { markdown } from "../../bench/scrape/report.ts";
import { claimsOf, tablesOf } from "../../bench/scrape/summary.ts";

const CHUNK = 'data: {"choices": [], "due": 5000000, "sent": 7500000}\n\n';

test("a chunk's delays are counted from its schedule, however the bytes arrive", () => {
  const stream = `${CHUNK}${CHUNK}data: {"choices": [], "usage": {}}\n\ndata: [DONE]\n\n`;
  const expected = { due: 5_000_000, sent: 2.5, arrived: 4 };
  for (const size of [1, 7, 50, 1000]) {
    const reader = new ChunkReader();
    const read = [];
    for (let at = 0; at < stream.length; at += size) read.push(...reader.read(stream.slice(at, at + size), 9_000_000));
    assert.deepEqual(read, [expected, expected], `pieces of ${size}`);
  }
});

test("streams come through the gateways in turn, and half of them past the gateways if these must not see them", () => {
  assert.deepEqual(streamUrls("idle", 4, ["a", "b"], "s"), []);
  assert.deepEqual(streamUrls("own", 5, ["a", "b"], "s"), ["a", "b", "a", "b", "a"]);
  assert.deepEqual(streamUrls("unseen", 4, ["a", "b"], "s"), ["a", "s", "b", "s"]);
});

function seen(contender: ContenderName, server: number, p99: number | null, load: LoadName = "own"): Window {
  const late = p99 === null ? null : { p50: 1, p99 };
  return {
    ...{ contender, load, gateways: 5, seconds: 30, server, scrapers: 0.1, wholePerSecond: 0, restrictedPerSecond: 2 },
    ...{ bytesPerSecond: 4000, chunks: 100, arrived: late, sent: late },
  };
}

test("what is added is compared with no scraping, repetition by repetition for CPU", () => {
  const windows = [seen("none", 0.1, 2), seen("now", 0.104, 2.5), seen("none", 0.2, 4), seen("now", 0.204, 4.5)];
  const [table] = tablesOf(windows);
  const [none, now] = table?.rows ?? [];
  assert.deepEqual([none?.contender, none?.addedCpu, none?.addedP99], ["none", null, null]);
  assert.ok(Math.abs((now?.addedCpu?.median ?? 0) - 0.4) < 1e-9);
  assert.ok(Math.abs((now?.addedCpu?.high ?? 0) - 0.4) < 1e-9);
  assert.equal(now?.addedP99?.median, 0.5);
  assert.equal(now?.kilobytesPerSecond.median, 4);
});

test("both targets are judged at each number of gateways, CPU alone without streams, and nothing where load is unseen", () => {
  const claims = (...windows: Window[]) => claimsOf(tablesOf(windows)).map(({ held }) => held);
  assert.deepEqual(claims(seen("none", 0.1, 2), seen("now", 0.105, 3)), [true, true]);
  assert.deepEqual(claims(seen("none", 0.1, 2), seen("now", 0.106, 3.1)), [false, false]);
  assert.deepEqual(claims(seen("none", 0.1, null, "idle"), seen("now", 0.101, null, "idle")), [true]);
  assert.deepEqual(claims(seen("none", 0.1, 2, "unseen"), seen("now", 0.2, 9, "unseen")), []);
  assert.deepEqual(claims(seen("now", 0.2, 9)), []);
});

test("the report has a row for each contender, and names what was missed", () => {
  const machine = { cpu: "c", cores: 2, memoryGiB: 1, kernel: "k", node: "n", loadBefore: 0 };
  const text = markdown({
    ...{ date: "2026-11-30T22:00:00Z", machine, repetitions: 1, seconds: 30, warmSeconds: 60, streams: 8, everyMs: 20 },
    ...{ multiprocess: false, wasm: "w", notes: ["a note"] },
    windows: [seen("none", 0.1, 2), seen("now", 0.2, 2.5), seen("epp", 0.3, 9)],
  });
  for (const part of [
    /^\| none +\|/m,
    /^\| now +\|/m,
    /^\| epp +\|/m,
    /^a note$/m,
    /^- MISSED: own, 5 gateways: scraping adds 10\.00 %/m,
  ])
    assert.match(text, part);
  assert.match(text, /^- held: own, 5 gateways: chunks are 0\.50 ms later/m);
});
