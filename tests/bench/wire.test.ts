import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeBodies } from "../../bench/body/bodies.ts";
import { prepare } from "../../bench/body/client.ts";
import { cellsOf, planOf, poolSize } from "../../bench/body/plan.ts";
import { checkClaims } from "../../bench/body/summary.ts";
import { BodyReader } from "../../bench/body/upstream-body.ts";
import { cpuNanoseconds, wasmMemories } from "../../testkit/cpu.ts";

const HEAD = "POST / HTTP/1.1\r\nhost: a";

/** The bytes of `text` that the reader leaves when it gets pieces of `step` bytes. */
function leftover(head: string, text: string, step: number): string {
  const reader = new BodyReader(head);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += step) {
    if (reader.done) return bytes.toString("utf8", at);
    const rest = reader.take(bytes.subarray(at, at + step));
    if (rest.length > 0) return rest.toString() + bytes.toString("utf8", at + step);
  }
  return reader.done ? "" : "not done";
}

describe("the bench's upstream", () => {
  test("finds a body's end by Content-Length, in pieces of any size", () => {
    for (let step = 1; step <= 12; step++)
      assert.equal(leftover(`${HEAD}\r\ncontent-length: 5`, "helloPOST /", step), "POST /", `${step}`);
  });

  test("finds a chunked body's end, in pieces of any size", () => {
    const chunked = "5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\nPOST /";
    for (let step = 1; step <= 60; step++)
      assert.equal(leftover(`${HEAD}\r\ntransfer-encoding: chunked`, chunked, step), "POST /", `${step}`);
  });

  test("consumes no byte for a request without a body", () => {
    assert.equal(leftover(HEAD, "POST /", 3), "POST /");
  });
});

describe("the bench's client", () => {
  test("sends the header only if no filter sets it", () => {
    const [body] = makeBodies({ text: "ascii", position: "last", bytes: 1024 }, 1, ["m"], 1);
    assert.ok(body);
    assert.match(prepare(body, true).bytes.toString(), /\r\nx-gateway-model-name: m\r\ncontent-length: 1024\r\n\r\n\{/);
    assert.doesNotMatch(prepare(body, false).bytes.toString(), /x-gateway/);
    assert.deepEqual(prepare(body, false).bytes.subarray(-1024), body.bytes);
  });
});

describe("what the kernel says", () => {
  test("CPU time grows with work, in nanoseconds", { skip: process.platform !== "linux" }, () => {
    const before = cpuNanoseconds(process.pid);
    const used = process.cpuUsage();
    for (let now = used; now.user + now.system - used.user - used.system < 50_000; ) now = process.cpuUsage();
    const grown = cpuNanoseconds(process.pid) - before;
    assert.ok(grown > 20e6 && grown < 5e9, `${grown} ns for 50 ms`);
  });

  test("a Wasm memory is the accessible start of a reservation of several GiB", () => {
    const maps = [
      "100000000-100150000 rw-p 00000000 00:00 0 ",
      "100150000-302000000 ---p 00000000 00:00 0 ",
      "400000000-400010000 rw-p 00000000 00:00 0 ",
      "400010000-400020000 ---p 00000000 00:00 0 ",
      "500000000-500010000 rw-p 00000000 08:01 77 /file",
      "500010000-702000000 ---p 00000000 00:00 0 ",
      "800000000-8002a0000 rw-p 00000000 00:00 0 ",
      "8002a0000-a02000000 ---p 00000000 00:00 0 ",
    ];
    assert.deepEqual(wasmMemories(maps.join("\n")), [0x2a0000, 0x150000]);
  });
});

describe("the plan", () => {
  test("a full run has every size, text and position back to back, and the two sizes of BBR's claim", () => {
    const cells = cellsOf({ full: true, regimes: ["back-to-back"] });
    assert.equal(cells.length, 5 * 5 * 2 + 2 * 2);
  });

  test("spaced has no body that takes longer than the spacing", () => {
    const cells = cellsOf({ full: true, regimes: ["spaced"] });
    assert.equal(Math.max(...cells.map(({ kind }) => kind.bytes)), 2 ** 20);
  });

  test("small bodies are never sent twice in a repetition", () => {
    const plan = planOf(1024, "back-to-back", true, 9, 4);
    assert.ok(poolSize(1024, plan) >= plan.latencyRequests + plan.cpuRequests);
  });
});

describe("the claims", () => {
  const flat = (median: number) => ({ median, low: median, high: median });
  const row = (contender: string, cpu: number, p50: number) => ({
    contender,
    requests: 1,
    cpuUs: flat(0),
    otherCpuUs: flat(0),
    p50Us: flat(0),
    p99Us: flat(0),
    addedCpuUs: flat(cpu),
    addedP50Us: flat(p50),
  });
  const cell = (bytes: number, position: "first" | "last", cpu: number, lua: number) => ({
    text: "ascii" as const,
    bytes,
    position,
    regime: "back-to-back" as const,
    rows: [row("pilotfish", cpu, 40), row("lua-pattern", lua, 0), row("bbr", 0, 400)],
  });

  test("compare with Lua: the same cost with the model first, a tenth with the model last from 128 KiB", () => {
    const holds = (bytes: number, position: "first" | "last", cpu: number, lua: number) =>
      checkClaims([cell(bytes, position, cpu, lua)], []).map((claim) => claim.holds);
    assert.deepEqual(holds(1024, "first", 20, 20), [true]);
    assert.deepEqual(holds(1024, "first", 21, 20), [false]);
    assert.deepEqual(holds(1024, "last", 500, 1), []);
    assert.deepEqual(holds(131_072, "last", 40, 400), [true]);
    assert.deepEqual(holds(131_072, "last", 41, 400), [false]);
    assert.deepEqual(holds(8_388_608, "first", 41, 400), []);
  });

  test("compare p50 with BBR at 0.5 KB and 220 KB", () => {
    const bbr = checkClaims([cell(512, "first", 1, 1)], []).filter((claim) => claim.claim.includes("BBR"));
    assert.deepEqual(
      bbr.map(({ figures, holds }) => ({ figures, holds })),
      [{ figures: "40.0 µs against 400.0 µs", holds: true }],
    );
  });

  test("a Wasm memory over 4 MiB, or a request that failed under it, breaks the claim", () => {
    const memory = (wasm: number, ok: number) => ({
      contender: "pilotfish",
      bodies: 64,
      bodyBytes: 8_388_608,
      beforeBytes: 0,
      heldBytes: 0,
      afterBytes: 0,
      peakBytes: 0,
      otherPeakBytes: 0,
      wasmBytes: [wasm, 65_536],
      answers: { 200: ok },
    });
    const holds = (wasm: number, ok: number) => checkClaims([], [memory(wasm, ok)]).map((claim) => claim.holds);
    assert.deepEqual(holds(4 * 2 ** 20, 64), [true]);
    assert.deepEqual(holds(4 * 2 ** 20 + 65_536, 64), [false]);
    assert.deepEqual(holds(2 ** 20, 63), [false]);
  });
});
