import { newRandom } from "../../../assembly/base/random";

describe("random source", () => {
  test("fractions lie in [0, 1) and fill ten bins evenly", () => {
    const random = newRandom(42);
    const bins = new StaticArray<i32>(10);
    for (let i = 0; i < 100000; i++) {
      const x = random.fraction();
      if (x < 0 || x >= 1) throw new Error("out of range");
      bins[<i32>(x * 10)]++;
    }
    // The standard deviation of a bin is 95, so 600 is more than six standard deviations.
    for (let i = 0; i < 10; i++) expect(abs(bins[i] - 10000)).toBeLessThan(600);
  });

  test("does not stick at zero with a seed of zero", () => {
    expect(newRandom(0).next()).not.toBe(0);
  });
});
