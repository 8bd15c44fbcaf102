import { followCosts, rateOf, USUAL_RATE } from "../../../assembly/endpoints/costs";
import { entryOf } from "../../../assembly/endpoints/entries";
import { followTopology } from "../../../assembly/endpoints/in-flight";
import { queueOf, tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Builder } from "../support/builder";

const SECOND: u64 = 1000000000;

/** Follows a snapshot of endpoints that have these prefill rates and steps. */
function follow(rates: f32[], steps: f32[] = []): void {
  const builder = new Builder();
  for (let i = 0; i < rates.length; i++) {
    const pod = builder.pod(`10.3.0.${10 + i}:8000`);
    pod.prefillRate = rates[i];
    if (i < steps.length) pod.step = steps[i];
  }
  const view = builder.view();
  followTopology(view);
  followCosts(view);
}

describe("costs of an endpoint", () => {
  test("are the usual ones before they are learned", () => {
    follow([0]);
    expect(rateOf(entryOf(0))).toBe(20000);
    expect(USUAL_RATE).toBe(20000);
    expect(entryOf(0).costs.step).toBe(0, "not learned");
  });

  test("are those of the endpoint's own record, and follow each snapshot", () => {
    follow([3000, 90000, 0], [0.05, 0.004, 0]);
    expect(rateOf(entryOf(0))).toBe(3000);
    expect(rateOf(entryOf(1))).toBe(90000);
    expect(rateOf(entryOf(2))).toBe(USUAL_RATE);
    expect(entryOf(0).costs.step).toBe(<f32>0.05);
    expect(entryOf(1).costs.step).toBe(<f32>0.004);
    follow([4000, 0, 500]);
    expect(rateOf(entryOf(0))).toBe(4000);
    expect(rateOf(entryOf(1))).toBe(USUAL_RATE, "it was learned, and is not known any more");
    expect(rateOf(entryOf(2))).toBe(500);
    expect(entryOf(0).costs.step).toBe(0);
  });

  test("have bounds: a rate outside of them would stop an endpoint's queue, or hide it", () => {
    follow([0.001, 10, 10000000, 1000000000]);
    expect(rateOf(entryOf(0))).toBe(10);
    expect(rateOf(entryOf(1))).toBe(10);
    expect(rateOf(entryOf(2))).toBe(10000000);
    expect(rateOf(entryOf(3))).toBe(10000000);
  });

  test("drain each endpoint's waiting tokens at the endpoint's own rate", () => {
    follow([1000, 50000, 0]);
    for (let i = 0; i < 3; i++) tokensSent(entryOf(i), 10000, 5 * SECOND);
    const later = 5 * SECOND + SECOND / 10;
    expect(queueOf(entryOf(0), later)).toBe(9900);
    expect(Mathf.round(queueOf(entryOf(1), later))).toBe(5000);
    expect(queueOf(entryOf(2), later)).toBe(8000, "at the usual rate");
    // The next snapshot's rate counts from then on.
    tokensSent(entryOf(0), 100, later);
    follow([20000, 50000, 0]);
    expect(queueOf(entryOf(0), later + SECOND / 10)).toBe(8000);
    for (let i = 0; i < 3; i++) tokensDone(entryOf(i), entryOf(i).tokens.waiting);
  });
});
