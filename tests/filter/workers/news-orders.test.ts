// A prompt that one worker sent is known at the next pick of every other worker, in whatever order the workers' host calls come.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { interleave } from "../../../testkit/emulator/interleave.ts";
import { threePods } from "../../../testkit/filter/gateway.ts";
import { firstByte, pick, WorkersApart } from "../support/workers-apart.ts";

const workers = await WorkersApart.start(2);
after(() => workers.close());

const long = (text: string) => text.repeat(4000);
/** A prompt has thousands of tokens. Fewer than these are in no whole block. */
const REST = 128;

/** Uncached tokens of a prompt on the endpoint that has most of it, as a pick knows them. */
function uncached(worker: number, request: number, prompt: string): number {
  workers.run(worker, pick(request, "m", prompt));
  workers.run(worker, firstByte(request));
  const text = workers.thread(worker).outcome?.explanation ?? "";
  return Math.min(...[...text.matchAll(/ u=(\d+)/g)].map(([, tokens]) => Number(tokens)));
}

/** Both workers have heard of each other's prompts lately, so both read the log at their picks. */
function begin(): void {
  workers.renew(threePods());
  workers.makeBusy();
  for (const worker of [0, 1]) workers.run(worker, pick(1, "m", long(`before ${worker}`)));
  workers.advance(40);
}

/** Runs picks of these prompts, by worker, in all orders. Returns the number of orders. */
function runAll(prompts: readonly (readonly string[])[]): number {
  let orders = 0;
  interleave({
    reduced: true,
    begin: () => {
      begin();
      return workers.begin(prompts.map((texts) => texts.map((text, i) => pick(2 + i, "m", long(text)))));
    },
    end: (order, known) => {
      if (known) return;
      orders++;
      for (const worker of [0, 1]) {
        for (const [i, text] of (prompts[1 - worker] ?? []).entries()) {
          const situation = `worker ${worker}, prompt ${text}, after the order ${order.join("")}`;
          assert.ok(uncached(worker, 10 + i, long(text)) < REST, situation);
        }
      }
    },
  });
  return orders;
}

test("two workers send a prompt each", () => {
  assert.ok(runAll([["a prompt"], ["another"]]) >= 10);
});

test("a worker sends two prompts while the other sends one", () => {
  assert.ok(runAll([["a prompt", "a second"], ["another"]]) >= 60);
});
