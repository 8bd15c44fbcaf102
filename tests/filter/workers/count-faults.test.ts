// Counts are exact again 1.5 s after a fault: a worker's VM dies, an endpoint disappears, a worker cannot write.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Result } from "../../../emulator/codes.ts";
import { interleave } from "../../../testkit/emulator/interleave.ts";
import type { Refusal } from "../../../testkit/emulator/worker-thread.ts";
import { B, base, C, D, endpoint, threePods } from "../../../testkit/filter/gateway.ts";
import { end, firstByte, pick, tick, WorkersApart } from "../support/workers-apart.ts";

const AGAIN_MS = 1500;

const workers = await WorkersApart.start(2);
const three = await WorkersApart.start(3);
after(() => Promise.all([workers.close(), three.close()]));

/** Begins anew with two busy workers. */
function begin(): void {
  workers.renew(threePods());
  workers.makeBusy();
}

/** What a worker does until its VM dies. */
const PROGRAM = [pick(1), tick, firstByte(1), pick(2), end(1)];

describe("a worker's VM dies", () => {
  /**
   * Runs the programs until worker 0 has made `calls` calls and worker 1 `others` calls. Then worker 0 dies, if it is still in a call, and
   * worker 1 goes on. Returns whether worker 0 died.
   */
  function die(calls: number, others: number): boolean {
    begin();
    const threads = workers.begin([PROGRAM, PROGRAM]);
    for (let i = 0; i < calls && threads.next(0); i++) threads.step(0);
    for (let i = 0; i < others && threads.next(1); i++) threads.step(1);
    const dies = threads.next(0) !== undefined;
    if (dies) workers.die(0);
    while (threads.next(1)) threads.step(1);
    return dies;
  }

  for (const others of [0, 1, 3]) {
    test(`in any of its calls, when the other worker has made ${others} calls: its requests are forgotten`, () => {
      let calls = 0;
      for (; die(calls, others); calls++) {
        workers.advance(AGAIN_MS);
        workers.assertExact(1, `${AGAIN_MS} ms after the death in call ${calls}`);
      }
      assert.ok(calls > PROGRAM.length);
    });
  }

  test("in any of its calls, and begins anew at once: the counts of the new VM are known, and the old ones forgotten", () => {
    let calls = 0;
    for (; die(calls, 1); calls++) {
      workers.run(0, { do: "start" });
      workers.run(0, tick);
      workers.run(0, pick(3));
      workers.advance(AGAIN_MS);
      workers.assertAllExact(`${AGAIN_MS} ms after the death in call ${calls}`);
      workers.run(0, firstByte(3));
      workers.run(1, pick(4));
      workers.assertShared("at once after later requests");
    }
    assert.ok(calls > PROGRAM.length);
  });

  test("in any call of its start", () => {
    for (let calls = 0; ; calls++) {
      die(5, 1);
      const threads = workers.begin([[{ do: "start" }]]);
      for (let i = 0; i < calls && threads.next(0); i++) threads.step(0);
      if (!threads.next(0)) {
        assert.ok(calls > 0);
        return;
      }
      workers.die(0);
      workers.run(0, { do: "start" });
      workers.run(0, tick);
      workers.run(0, pick(3));
      workers.advance(AGAIN_MS);
      workers.assertAllExact(`${AGAIN_MS} ms after the death in call ${calls} of the start`);
    }
  });
});

describe("a worker's VM dies beside two workers", () => {
  /** From the death to the last tick before the others notice the death. */
  const UNNOTICED_MS = 1180;

  /** Worker 0 dies with a request in flight. The next ticks of the others notice the death. */
  function die(): void {
    three.renew(threePods());
    three.makeBusy();
    three.run(0, pick(1));
    const threads = three.begin([[pick(2)]]);
    threads.step(0);
    three.die(0);
    three.advance(UNNOTICED_MS);
  }

  test("the others forget its requests, in whatever order they notice its death and pick", () => {
    const programs = [[], [tick], [tick, pick(1)]];
    let orders = 0;
    interleave({
      reduced: true,
      begin: () => {
        die();
        return three.begin(programs);
      },
      end: (order, known) => {
        if (known) return;
        orders++;
        three.advance(AGAIN_MS - UNNOTICED_MS);
        for (const worker of [1, 2]) three.assertExact(worker, `after the order ${order.join("")}`);
      },
    });
    assert.ok(orders > 15, "both notice the death in their ticks");
  });
});

/** The snapshot without endpoint A. */
const others = { endpoints: [endpoint(B), endpoint(C), endpoint(D)], models: [base("m", [B, C, D])] };

describe("an endpoint disappears with requests in flight", () => {
  test("its requests end while it is away, and it comes back", () => {
    begin();
    for (const worker of [0, 1])
      for (const request of [1, 2]) workers.run(worker, pick(request, request === 1 ? "lora" : "m"));
    workers.run(0, workers.push(others));
    for (const worker of [0, 1]) workers.run(worker, pick(3));
    workers.advance(AGAIN_MS);
    workers.assertAllExact("without it");
    for (const worker of [0, 1]) workers.run(worker, end(1));
    workers.run(1, workers.push(threePods()));
    for (const worker of [0, 1]) workers.run(worker, pick(4));
    workers.advance(AGAIN_MS);
    workers.assertAllExact("when it is back");
    workers.abortAll();
    workers.assertShared("at once after the end of all requests");
  });

  test("it comes back with its requests still in flight", () => {
    begin();
    for (const worker of [0, 1]) workers.run(worker, pick(1, "lora"));
    workers.run(0, workers.push(others));
    workers.advance(AGAIN_MS);
    workers.run(0, workers.push(threePods()));
    workers.advance(AGAIN_MS);
    workers.assertAllExact("when it is back");
    workers.abortAll();
    workers.assertShared("at once after the end of all requests");
  });

  test("it comes back before the next tick", () => {
    begin();
    workers.run(0, pick(1));
    workers.run(0, workers.push(others));
    workers.run(0, workers.push(threePods()));
    workers.run(0, pick(2));
    workers.advance(AGAIN_MS);
    workers.assertAllExact("1.5 s later");
    workers.run(0, pick(3));
    workers.run(1, pick(3));
    workers.abortAll();
    workers.assertShared("at once after the end of all requests");
  });
});

describe("a worker cannot write, for ever", () => {
  const isRecord = (key: string) => key.startsWith("pilotfish.load.");
  const refusals: Record<string, Refusal> = {
    "its compare-and-swaps always find another value": (_, cas) => (cas !== 0 ? Result.CasMismatch : undefined),
    "the host refuses the record": (key) => (isRecord(key) ? Result.BadArgument : undefined),
  };
  for (const [name, refusal] of Object.entries(refusals)) {
    test(name, () => {
      begin();
      workers.thread(0).refusal = refusal;
      for (const worker of [0, 1]) {
        for (const request of [1, 2, 3]) workers.run(worker, pick(request));
        workers.run(worker, firstByte(1));
      }
      workers.run(0, end(2));
      workers.advance(AGAIN_MS);
      workers.assertAllExact("while the fault lasts");
      workers.abortAll();
      workers.advance(AGAIN_MS);
      workers.assertAllExact("after the end of all requests");
      workers.thread(0).refusal = () => undefined;
      for (const worker of [0, 1]) workers.run(worker, pick(4));
      workers.advance(AGAIN_MS);
      workers.run(0, pick(5));
      workers.run(0, end(4));
      workers.assertShared("at once, when the fault has passed");
    });
  }
});
