import {
  addFirstByte,
  addRequest,
  addSumsTo,
  addUsage,
  clearSums,
  NO_SUMS,
  sumsChanged,
  sumsOf,
  takesUsage,
} from "../../../assembly/endpoints/model-sums";
import {
  MAX_SUMS,
  SUMS_BYTES,
  SUMS_CACHED_TOKENS,
  SUMS_FIT,
  SUMS_MODEL,
  SUMS_PROMPT,
  SUMS_REQUESTS,
  SUMS_USAGE_PROMPT,
  SUMS_USAGE_REQUESTS,
  SUMS_USAGE_TOKENS,
} from "../../../protocol/constants";

const MILLISECOND: u64 = 1000000;
const prompt: usize = memory.data<u32>([1, 20, 300, 4000, 50000], 4);
const target: usize = memory.data(MAX_SUMS * SUMS_BYTES, 8);

function expectBytes(record: usize, times: u32): void {
  for (let i: u32 = 0; i < 5; i++) expect(load<u32>(record + i * 4)).toBe(load<u32>(prompt + i * 4) * times);
}

describe("model sums", () => {
  it("adds up requests, usage and first bytes of a model", () => {
    const model = sumsOf(77);
    expect(sumsOf(77)).toBe(model);
    expect(sumsChanged()).toBe(false);
    addRequest(model, 10, prompt);
    addRequest(model, 5, prompt);
    addUsage(model, 1000, prompt);
    addFirstByte(model, 100, 0.5);
    addFirstByte(model, 300, 1.5);
    expect(sumsChanged()).toBe(true);
    expect(addSumsTo(target, 0)).toBe(1);
    expect(load<u64>(target, SUMS_MODEL)).toBe(77);
    expect(load<u32>(target, SUMS_REQUESTS)).toBe(2);
    expect(load<u32>(target, SUMS_CACHED_TOKENS)).toBe(15);
    expectBytes(target + SUMS_PROMPT, 2);
    expect(load<u32>(target, SUMS_USAGE_REQUESTS)).toBe(1);
    expect(load<u32>(target, SUMS_USAGE_TOKENS)).toBe(1000);
    expectBytes(target + SUMS_USAGE_PROMPT, 1);
    const fit: f64[] = [2, 400, 2, 100000, 500];
    for (let i = 0; i < 5; i++) expect(load<f64>(target + i * 8, SUMS_FIT)).toBe(fit[i]);
  });

  it("adds to the records of other workers, and starts at 0 after it published", () => {
    clearSums();
    expect(sumsChanged()).toBe(false);
    const other = sumsOf(78);
    addRequest(other, 0, prompt);
    expect(addSumsTo(target, 1)).toBe(2);
    expect(load<u32>(target, SUMS_REQUESTS)).toBe(2, "the first model's requests stay");
    expect(load<u64>(target + SUMS_BYTES, SUMS_MODEL)).toBe(78);
    clearSums();
    addRequest(other, 3, prompt);
    expect(addSumsTo(target, 2)).toBe(2);
    expect(load<u32>(target + SUMS_BYTES, SUMS_REQUESTS)).toBe(2);
    expect(load<u32>(target + SUMS_BYTES, SUMS_CACHED_TOKENS)).toBe(3);
    clearSums();
  });

  it("leaves out first bytes that took no time, too long, or were never measured", () => {
    const model = sumsOf(77);
    addRequest(model, 0, prompt);
    addFirstByte(model, 10, 0);
    addFirstByte(model, 10, -1);
    addFirstByte(model, 10, 3601);
    addFirstByte(model, 10, NaN);
    addFirstByte(model, NaN, 1);
    memory.fill(target, 0, SUMS_BYTES);
    addSumsTo(target, 0);
    expect(load<f64>(target, SUMS_FIT)).toBe(0);
    clearSums();
  });

  it("lets eight responses a second be searched for usage, of each model", () => {
    const model = sumsOf(77);
    let taken = 0;
    for (let now: u64 = 0; now < 1000; now += 5) if (takesUsage(model, (5000 + now) * MILLISECOND)) taken++;
    expect(taken).toBe(8);
    expect(takesUsage(sumsOf(78), 5999 * MILLISECOND)).toBe(true);
    expect(takesUsage(model, 100 * MILLISECOND)).toBe(true, "a clock that was set back");
  });

  it("wraps integers at 2^32", () => {
    const model = sumsOf(79);
    addUsage(model, 0xffffffff, prompt);
    addUsage(model, 5, prompt);
    memory.fill(target, 0, SUMS_BYTES);
    expect(addSumsTo(target, 0)).toBe(1);
    expect(load<u32>(target, SUMS_USAGE_TOKENS)).toBe(4);
    clearSums();
  });

  it("measures the first 64 models, and no further model", () => {
    for (let model: u64 = 1000; model < 2000; model++) sumsOf(model);
    expect(sumsOf(5000)).toBe(NO_SUMS);
    expect(sumsOf(77)).not.toBe(NO_SUMS);
    let known: u32 = 0;
    for (let model: u64 = 1; model < 2000; model++) if (sumsOf(model) != NO_SUMS) known++;
    expect(known).toBe(MAX_SUMS);
    addRequest(sumsOf(77), 0, prompt);
    for (let i: u32 = 0; i < MAX_SUMS; i++) store<u64>(target + i * SUMS_BYTES, 10000 + i, SUMS_MODEL);
    expect(addSumsTo(target, MAX_SUMS)).toBe(MAX_SUMS, "a value that other workers filled stays as it is");
  });
});
