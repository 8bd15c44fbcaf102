import assert from "node:assert/strict";
import { test } from "node:test";
import { COMPUTED_HARDWARE, HARDWARE_NAMES, hardware, physicsOf } from "../../simulator/hardware.ts";
import { applyPatch, defaultParams } from "../../simulator/params.ts";

test("the parameters of every preset are allowed", () => {
  for (const name of HARDWARE_NAMES) applyPatch(defaultParams(), hardware(name), false);
});

test("no computed preset is faster than reading its weights, or than the arithmetic of its prefill", () => {
  for (const name of COMPUTED_HARDWARE) {
    const { stepBaseMs = 0, prefillTokenMs = 0 } = hardware(name);
    const { weightsMs, prefillTokenMs: leastMs } = physicsOf(name);
    assert.ok(
      stepBaseMs >= weightsMs,
      `${name}: a step of ${stepBaseMs} ms, reading the weights takes ${weightsMs} ms`,
    );
    assert.ok(
      stepBaseMs <= 2 * weightsMs,
      `${name}: a step of ${stepBaseMs} ms, reading the weights takes ${weightsMs} ms`,
    );
    assert.ok(
      prefillTokenMs >= leastMs,
      `${name}: ${prefillTokenMs} ms a prefill token, the arithmetic takes ${leastMs} ms`,
    );
    assert.ok(
      prefillTokenMs <= 6 * leastMs,
      `${name}: ${prefillTokenMs} ms a prefill token, the arithmetic takes ${leastMs} ms`,
    );
  }
});

test("on every computed preset one sequence of the maximum length fits into the KV cache", () => {
  for (const name of COMPUTED_HARDWARE) {
    const { kvBlocks = 0, maxModelLen = 0 } = hardware(name);
    assert.ok(maxModelLen >= 8192, `${name}: ${maxModelLen}`);
    assert.ok(
      kvBlocks * defaultParams().blockSize >= maxModelLen,
      `${name}: ${kvBlocks} blocks for ${maxModelLen} tokens`,
    );
  }
});

test("an H100 decodes an 8B model at the published 6.5 ms a token", () => {
  const { stepBaseMs = 0, sequenceMs = 0 } = hardware("h100-8b");
  assert.ok(Math.abs(stepBaseMs + sequenceMs - 6.48) < 0.15, `${stepBaseMs} + ${sequenceMs}`);
});
