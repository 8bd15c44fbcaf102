// The whole chain in the simulation: the release wasm counts bytes and requests, the sidecar's learner gets its reports and the pods'
// counters, and the next snapshots have what is learned.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeLoad } from "../../bench/sim/loads.ts";
import { pilotfish } from "../../bench/sim/pilotfish/pilotfish.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import type { StepCosts } from "../../sidecar/learn/step-fit.ts";
import type { Tokenizer } from "../../sidecar/learn/tokenizer-fit.ts";

/** The prefill rate that a filter assumes before it is told one. */
const DEFAULT_RATE = 20_000;

/** Pods by bytes a token, prefill rate as a multiple of the default, and requests a second for all pods. */
const PODS: ReadonlyArray<readonly [tokenBytes: number, rate: number, perSecond: number]> = [
  [1.5, 1, 10],
  [9, 4, 10],
  [2, 0.2, 3],
  [6, 0.05, 1],
];

for (const [tokenBytes, rate, perSecond] of PODS) {
  test(`after 60 s, ${tokenBytes} bytes a token and ${rate} times the default rate are known to 10 %`, () => {
    const params = { tokenBytes, prefillTokenMs: 1000 / (rate * DEFAULT_RATE) };
    const load = makeLoad("mixed", { seconds: 60, rate: perSecond, seed: 1, params });
    const costs = new Map<string, Partial<StepCosts>>();
    let tokenizer: Tokenizer | undefined;
    const contender = pilotfish({
      profile: "tokens",
      workers: 1,
      learned(address, ofPod, ofModel) {
        costs.set(address, ofPod);
        tokenizer = ofModel;
      },
    });
    simulate(load, contender, { seed: 1 });
    assert.equal(costs.size, 4);
    for (const { prefill = 0 } of costs.values()) near(1 / prefill, rate * DEFAULT_RATE, "prefill rate");
    // The loads' texts are lower-case words and spaces, with some digits.
    const text = [0.7, 0, 0.12, 0.18, 0].map((share) => share * 4000);
    const { tokensPerRequest = 0, tokensPerByte = [] } = tokenizer ?? {};
    const tokens = text.reduce((sum, bytes, i) => sum + bytes * (tokensPerByte[i] ?? 0), tokensPerRequest);
    near(tokens, 4000 / tokenBytes, "tokens of 4,000 bytes");
  });
}

function near(learned: number, truth: number, what: string): void {
  assert.ok(Math.abs(Math.log(learned / truth)) < 0.1, `${what}: learned ${learned}, expected about ${truth}`);
}
