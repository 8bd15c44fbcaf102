// The matrix of the simulation: its cells, its kept results, and the lines that it checks.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { contenderOf } from "../../bench/sim/contenders.ts";
import { LOAD_NAMES, usualRate } from "../../bench/sim/loads.ts";
import { cellName, cellsFor, cellsOf, type MatrixCell, roleOf, SUITE_NAMES } from "../../bench/sim/matrix/cells.ts";
import { verdictLine, verdicts } from "../../bench/sim/matrix/checks.ts";
import { type Result, Results } from "../../bench/sim/matrix/results.ts";
import { spreadVerdicts } from "../../bench/sim/matrix/spread-checks.ts";
import { CellRuns } from "../../bench/sim/matrix/table.ts";
import { HARDWARE_NAMES } from "../../simulator/hardware.ts";

const cell = (load: string, hardware: MatrixCell["hardware"] = "as-assumed", tokenBytes = 4): MatrixCell => ({
  load,
  hardware,
  tokenBytes,
  requests: 100,
});

interface Given {
  p90: number;
  p99?: number;
  output?: number;
  hits?: number;
  /** p90 of the spans: before, then the windows after the overload. */
  spans?: number[];
}

function result(of: MatrixCell, contender: string, given: Given, seed = 1): Result {
  const span = (p90: number, i: number) => ({
    name: i === 0 ? "before" : `after ${(i - 1) * 20} s`,
    requests: 100,
    p50: p90,
    p90,
    p99: p90,
  });
  const figures = {
    requests: 100,
    answered: 100,
    mean: given.p90,
    p50: given.p90,
    p90: given.p90,
    p99: given.p99 ?? given.p90,
    p99Cold: given.p99 ?? given.p90,
    outputPerSecond: given.output ?? 1000,
    answersPerSecond: 10,
    hitRate: given.hits ?? 0.5,
    deepestQueue: 1,
    scrapeShare: 0,
    mostShare: 0.25,
    scrapesPerSecond: 0,
    seconds: 10,
    wallMs: 1,
    spans: (given.spans ?? []).map(span),
  };
  return { cell: of, contender, seed, figures, perSecond: 10, code: "x" };
}

const judge = (runs: CellRuns) => verdicts([runs], { subject: "tokens-2", bound: "true-2" });
const metOf = (runs: CellRuns) => judge(runs).map(({ line, readings }) => `${readings[0]?.met} ${line.slice(0, 30)}`);

test("every suite has cells of known loads and pods, and none twice", () => {
  for (const name of SUITE_NAMES) {
    const cells = cellsOf([name], 500).map((asked) => asked.cell);
    assert.ok(cells.length > 0, name);
    assert.equal(new Set(cells.map(cellName)).size, cells.length, name);
    for (const { load, hardware } of cells) {
      assert.ok(LOAD_NAMES.includes(load), load);
      assert.ok(HARDWARE_NAMES.includes(hardware), hardware);
    }
  }
  assert.equal(cellsOf(["table"], 500).length, 28);
  assert.equal(cellsFor(["fast", "l4-8b"], [4, 2], ["mixed"], 500).length, 4);
});

test("suites about workers and restarts have contenders of their own; contenders that are named replace them", () => {
  const [workers, restarts, table] = ["workers", "restarts", "table"].map((name) => cellsOf([name], 500)[0]);
  assert.ok(workers?.isSpread && restarts?.isSpread && table?.isSpread === false);
  for (const { contenders } of [workers, restarts, table]) for (const name of contenders) contenderOf(name);
  assert.ok(workers.contenders.includes("tokens-64") && restarts.contenders.includes("tokens-2x2-restart60"));
  assert.ok(table.contenders.includes("tokens-2"));
  assert.deepEqual(cellsOf(["workers"], 500, ["epp"])[0]?.contenders, ["epp"]);
  assert.deepEqual(cellsFor(["fast"], [4], ["mixed"], 500, ["epp"])[0]?.contenders, ["epp"]);
  // A restart comes each minute, so runs take longer than three minutes.
  for (const { cell: of } of cellsOf(["restarts"], 500)) assert.ok(of.requests / usualRate(of.load) > 190, of.load);
});

test("many workers, several Envoys and Envoys that begin anew are judged beside one worker, EPP and the undisturbed", () => {
  const p90s = (of: MatrixCell, given: Readonly<Record<string, number>>) =>
    new CellRuns(
      of,
      Object.entries(given).map(([name, p90]) => result(of, name, { p90 })),
    );
  const met = (of: MatrixCell, given: Readonly<Record<string, number>>) =>
    spreadVerdicts([p90s(of, given)]).map(({ readings }) => readings[0]?.met);
  const one = { "tokens-1": 100, epp: 200 };
  const spread = { "tokens-16": 105, "tokens-64": 110, "tokens-4x4": 115, "tokens-2x2-mute": 200 };
  assert.deepEqual(met(cell("sessions"), { ...one, ...spread }), [true, true, true, true]);
  const worse = { "tokens-16": 106, "tokens-64": 111, "tokens-4x4": 116, "tokens-2x2-mute": 201 };
  assert.deepEqual(met(cell("sessions"), { ...one, ...worse }), [false, false, false, false]);
  assert.deepEqual(met(cell("mixed"), { ...one, ...worse }), [false, false, false], "mute Envoys need common prefixes");
  const calm = { "tokens-1": 100, "tokens-2": 200, "tokens-2x2": 300 };
  const shaken = (to: number) => ({
    ...calm,
    "tokens-1-restart60": 100 * to,
    "tokens-2-restart60": 200 * to,
    "tokens-2-vm60": 200 * to,
    "tokens-2x2-restart60": 300 * to,
    "tokens-2x2-restart60-both": 300 * to,
  });
  assert.deepEqual(met(cell("fitting-80"), shaken(1.15)), [true, true, true, true, true]);
  assert.deepEqual(met(cell("fitting-80"), shaken(1.16)), [false, false, false, false, false]);
  assert.deepEqual(spreadVerdicts([p90s(cell("mixed"), { epp: 1 })]), [], "without the contenders no line is judged");
});

test("a cell's role says which lines apply", () => {
  assert.equal(roleOf(cell("mixed", "l4-like")), "table");
  assert.equal(roleOf(cell("mixed", "as-assumed", 2)), "table");
  assert.equal(roleOf(cell("mixed", "l4-8b")), "other");
  assert.equal(roleOf({ ...cell("mixed"), count: 32 }), "other");
  assert.equal(roleOf(cell("mooncake")), "other");
  assert.equal(roleOf(cell("overload-115", "l4-8b")), "overload");
  assert.equal(roleOf(cell("overload-return")), "return");
});

test("ratios compare runs of one seed, and the median counts", () => {
  const of = cell("mixed");
  const runs = new CellRuns(of, [
    result(of, "tokens-2", { p90: 80 }, 1),
    result(of, "tokens-2", { p90: 90 }, 2),
    result(of, "tokens-2", { p90: 200 }, 3),
    result(of, "epp-auto", { p90: 100 }, 1),
    result(of, "epp-auto", { p90: 300 }, 2),
    result(of, "epp-ob", { p90: 200 }, 1),
    result(of, "epp-ob", { p90: 100 }, 2),
    result(of, "epp-ob", { p90: 400 }, 3),
  ]);
  assert.deepEqual(runs.ratio("tokens-2", ["epp-auto", "epp-ob"], "p90"), { median: 0.8, low: 0.5, high: 0.9 });
  assert.equal(runs.ratio("tokens-2", ["dynamo"], "p90"), undefined);
});

test("each line is met at its limit and missed beyond it", () => {
  const of = cell("mixed");
  const with90 = (p90: number) =>
    new CellRuns(of, [
      result(of, "tokens-2", { p90, p99: 3 * p90 }),
      result(of, "true-2", { p90: 80 }),
      result(of, "epp-auto", { p90: 100 }),
      result(of, "epp-ob", { p90: 120 }),
      result(of, "dynamo", { p90: 90 }),
      result(of, "exact", { p90: 10 }),
    ]);
  assert.deepEqual(
    judge(with90(84)).map(({ readings }) => readings[0]?.met),
    [true, true, true, true, true],
  );
  assert.deepEqual(
    judge(with90(91)).map(({ readings }) => readings[0]?.met),
    [false, false, false, false, false],
  );
  const other = cell("mooncake");
  const beside = (p90: number) =>
    new CellRuns(other, [result(other, "tokens-2", { p90 }), result(other, "llmd-ob", { p90: 100 })]);
  const metBeside = (p90: number) =>
    metOf(beside(p90))
      .find((text) => text.includes(" other loads "))
      ?.split(" ")[0];
  assert.deepEqual([metBeside(103), metBeside(104)], ["true", "false"]);
});

test("overload: output, hits and p90 are compared with the better of fixed homes and EPP", () => {
  const of = cell("overload-130");
  const runs = (own: Given) =>
    new CellRuns(of, [
      result(of, "tokens-2", own),
      result(of, "home", { p90: 100, output: 1000, hits: 0.4 }),
      result(of, "epp-auto", { p90: 200, output: 900, hits: 0.5 }),
      result(of, "dynamo", { p90: 10, output: 9000, hits: 1 }),
    ]);
  const met = (own: Given) => judge(runs(own)).map(({ readings }) => readings[0]?.met);
  assert.deepEqual(met({ p90: 100, output: 980, hits: 0.485 }), [true, true, true]);
  assert.deepEqual(met({ p90: 101, output: 979, hits: 0.484 }), [false, false, false]);
});

test("the return after an overload is the first window from which on all are as before", () => {
  const of = cell("overload-return");
  const runs = (...spans: number[]) =>
    new CellRuns(of, [
      result(of, "tokens-2", { p90: 1, spans }),
      result(of, "home", { p90: 1, spans: [100, 900, 500, 110, 100] }),
    ]);
  assert.deepEqual(metOf(runs(100, 500, 110, 100, 90)), [
    "true after a minute of 1.3 times th",
    "true after a minute of 1.3 times th",
  ]);
  const late = judge(runs(100, 100, 500, 110, 90));
  assert.deepEqual(
    late.map(({ readings }) => readings[0]?.met),
    [false, true],
  );
  assert.match(late[0]?.readings[0]?.text ?? "", /^40 s; home 40 s/);
  assert.match(judge(runs(100, 100, 100, 100, 111))[1]?.readings[0]?.text ?? "", /^not within 160 s/);
});

test("a line of text names the worst cell and how many are missed", () => {
  const readings = [
    { cell: "a", met: true, text: "0.9", excess: 0.9 },
    { cell: "b", met: false, text: "1.2", excess: 1.2 },
  ];
  assert.equal(verdictLine({ line: "p90", readings }), "MISSED in 1 of 2 cells: p90; worst: 1.2, b");
  assert.match(verdictLine({ line: "p90", readings: readings.slice(0, 1) }), /^MET in 1 cells/);
});

test("results are found again by cell, seed, contender and code, and a line that was cut off is dropped", () => {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-matrix-"));
  try {
    const file = join(folder, "sub", "results.jsonl");
    const kept = result(cell("mixed"), "epp-auto", { p90: 100 });
    new Results(file).add(kept);
    appendFileSync(file, '{"cell":{"lo');
    const again = new Results(file);
    const { cell: of, seed, contender } = kept;
    assert.equal(again.get({ cell: of, seed, contender }, "x")?.figures?.p90, 100);
    assert.equal(again.get({ cell: of, seed, contender }, "y"), undefined, "other code");
    assert.equal(again.get({ cell: of, seed: 2, contender }, "x"), undefined);
    assert.equal(again.get({ cell: { ...of, tokenBytes: 2 }, seed, contender }, "x"), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
