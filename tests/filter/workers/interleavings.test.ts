// Counts are exact in whatever order the host calls of several workers come. Each test runs all orders.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { interleave } from "../../../testkit/emulator/interleave.ts";
import type { Command } from "../../../testkit/emulator/worker-messages.ts";
import { B, base, C, D, endpoint, threePods } from "../../../testkit/filter/gateway.ts";
import { abort, end, firstByte, pick, tick, WorkersApart } from "../support/workers-apart.ts";

interface Orders {
  /** Call before each run. */
  before?: () => void;
  /** What each worker does in a run. */
  programs: () => Command[][];
  /** Milliseconds from the end of a run to the moment when the counts must be exact; default: 0. */
  exactAfter?: number;
  /** Call after each run, when its requests have been aborted. */
  after?: () => void;
  /** Parameters of interleave(). By default orders that cannot differ are run once. */
  reduced?: boolean;
  alike?: boolean;
}

/** Runs the programs in all orders, and returns the number of the orders. */
function runAll(workers: WorkersApart, orders: Orders): number {
  const { reduced = true, alike = false, exactAfter = 0 } = orders;
  let count = 0;
  interleave({
    reduced,
    alike,
    begin: () => {
      orders.before?.();
      return workers.begin(orders.programs());
    },
    end: (order, known) => {
      if (!known) {
        count++;
        workers.advance(exactAfter);
        workers.assertShared(`after the order ${order.join("")}`);
      }
      workers.abortAll();
      orders.after?.();
    },
  });
  return count;
}

const two = await WorkersApart.start(2);
const three = await WorkersApart.start(3);
after(() => Promise.all([two.close(), three.close()]));

/** Begins anew with busy workers, whose picks must all use exact counts. */
function begin(workers: WorkersApart): void {
  workers.renew(threePods(), { exactPicks: true });
  workers.makeBusy();
}

describe("busy workers", () => {
  test("two pick, get the first byte, and end", () => {
    begin(two);
    const program = [pick(1), firstByte(1), end(1)];
    assert.ok(runAll(two, { programs: () => [program, program], alike: true }) >= 356);
    two.advance(40);
    two.assertAllExact("two ticks later");
  });

  test("two send a request to one endpoint and abort it, also in orders that cannot differ", () => {
    begin(two);
    const program = [pick(1, "lora"), abort(1)];
    assert.ok(runAll(two, { programs: () => [program, program], reduced: false }) >= 226);
  });

  // With an abort of all three there are 12,723 orders. They were all exact too, but take minutes.
  test("three pick, and one of them aborts", () => {
    begin(three);
    const programs = () => [[pick(1), abort(1)], [pick(1)], [pick(1)]];
    assert.ok(runAll(three, { programs }) >= 446);
  });
});

describe("workers that tick", () => {
  const before = () => two.align();

  test("both pick and tick", () => {
    begin(two);
    two.advance(1500);
    const program = [pick(1), tick];
    assert.ok(runAll(two, { before, programs: () => [program, program] }) > 10);
  });

  test("one ticks while the other picks and aborts", () => {
    begin(two);
    two.advance(1500);
    const programs = () => [
      [pick(1), tick],
      [pick(1), abort(1)],
    ];
    assert.ok(runAll(two, { before, programs }) > 10);
  });

  test("the endpoints change: counts are exact three ticks later", () => {
    two.renew(threePods());
    two.makeBusy();
    two.advance(1500);
    const others = { endpoints: [endpoint(B), endpoint(C), endpoint(D)], models: [base("m", [B, C, D])] };
    const programs = () => [
      [two.push(others), tick, pick(1)],
      [pick(1), tick, abort(1)],
    ];
    const after = () => two.run(0, two.push(threePods()));
    assert.ok(runAll(two, { before, programs, exactAfter: 60, after }) > 50);
  });

  test("idle workers, which tick when a request comes, pick and abort", () => {
    two.renew(threePods());
    two.makeBusy();
    two.endBusy();
    two.advance(1500);
    const program = [pick(1), abort(1)];
    assert.ok(runAll(two, { before, programs: () => [program, program] }) > 50);
  });

  test("new workers, which do not know each other, pick and tick: counts are exact three ticks later", () => {
    const program = [pick(1), tick];
    const before = () => two.renew(threePods());
    assert.ok(runAll(two, { before, programs: () => [program, program], exactAfter: 60 }) > 30);
  });
});
