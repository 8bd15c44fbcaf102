// Counts are exact in whatever order the host calls of several workers come. Each test runs all orders.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { interleave } from "../../../testkit/emulator/interleave.ts";
import type { Command } from "../../../testkit/emulator/worker-messages.ts";
import { threePods } from "../../../testkit/filter/gateway.ts";
import { end, firstByte, pick, WorkersApart } from "../support/workers-apart.ts";

/** Runs the programs of busy workers in all orders. All runs begin with the same open requests. Returns the number of orders. */
function runAll(workers: WorkersApart, programs: readonly Command[][], alike: boolean): number {
  let orders = 0;
  interleave({
    reduced: true,
    alike,
    begin: () => workers.begin(programs),
    end: (order, known) => {
      if (!known) {
        orders++;
        workers.assertAllExact(`after ${order.join("")}`);
      }
      workers.abortAll();
    },
  });
  return orders;
}

describe("two busy workers", async () => {
  const workers = await WorkersApart.start(2, threePods());
  workers.makeBusy();
  after(() => workers.close());

  test("each picks, gets the first byte, and ends", () => {
    const program = [pick(1), firstByte(1), end(1)];
    assert.ok(runAll(workers, [program, program], true) > 300);
    workers.advance(40);
    workers.assertAllExact("two ticks later");
  });
});
