import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatSize, parseSize } from "../../bench/body/sizes.ts";
import { added, addedTail, figure, median, quantile, short } from "../../testkit/statistics.ts";

describe("bench statistics", () => {
  test("a quantile lies between the closest ranks", () => {
    assert.equal(quantile([4, 1, 3, 2], 0), 1);
    assert.equal(quantile([4, 1, 3, 2], 1), 4);
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
    assert.equal(quantile([10, 20, 30, 40, 50], 0.99).toFixed(6), "49.600000");
    assert.equal(quantile([7], 0.99), 7);
  });

  test("numbers are sorted as numbers, and the list is unchanged", () => {
    const values = [100, 9, 20, 3];
    assert.equal(median(values), 14.5);
    assert.deepEqual(values, [100, 9, 20, 3]);
  });

  test("a median has the same number of values below and above", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        assert.ok(below <= values.length / 2 && above <= values.length / 2);
      }),
    );
  });

  test("an added cost is computed repetition by repetition, so a disturbance of both cancels out", () => {
    const baseline = [100, 100, 500];
    assert.deepEqual(added([110, 112, 511], baseline), { median: 11, low: 10, high: 12 });
    assert.deepEqual(figure([3, 1, 2]), { median: 2, low: 1, high: 3 });
  });

  test("the added tail is relative to the baseline's median", () => {
    assert.deepEqual(addedTail([300, 310, 9000], [200, 5000, 210]), { median: 100, low: 90, high: 8790 });
  });

  test("an empty list is refused, and so are different numbers of repetitions", () => {
    assert.throws(() => median([]), /at least one value/);
    assert.throws(() => quantile([1], 1.1), /0 to 1/);
    assert.throws(() => added([1, 2], [1]), /2 repetitions against 1/);
  });

  test("figures have three significant digits", () => {
    assert.deepEqual([0.123, 9.994, 12.34, 123.4, 12345, -5.5, 0, Number.NaN].map(short), [
      "0.12",
      "9.99",
      "12.3",
      "123",
      "12,345",
      "-5.50",
      "0",
      "–",
    ]);
  });

  test("sizes are read and written as 512, 16k or 8m", () => {
    assert.deepEqual(["512", "1k", "220K", "8m"].map(parseSize), [512, 1024, 225_280, 8_388_608]);
    assert.deepEqual([512, 1024, 225_280, 8_388_608].map(formatSize), ["512 B", "1 KiB", "220 KiB", "8 MiB"]);
    for (const bad of ["", "k", "1g", "-1k", "383", "13m", "1.5k", "1k,2k"])
      assert.throws(() => parseSize(bad), /--sizes: ".*" given, 384 to 12m is expected/, bad);
  });
});
