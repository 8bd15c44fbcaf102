// A worker whose prefix index is empty takes over the blocks that the sidecar pushes. A test knows to which endpoint one Envoy sent each
// prompt, and compares this with the picks of a worker that never sent a prompt.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { EndpointView, SnapshotView } from "../../../protocol/snapshot.ts";
import { withCached } from "../../../protocol/traffic.ts";
import { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import { A, B, base, C, complete, D, endpoint, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { askReport, pushForReport } from "../support/envoys.ts";
import { picked } from "../support/in-flight.ts";

const ADDRESSES = [A, B, C, D];
const CACHE = { kvBlocks: 1024, blockTokens: 16 };

function world(fields: Partial<EndpointView> = {}): Pick<SnapshotView, "endpoints" | "models"> {
  return { endpoints: ADDRESSES.map((at) => endpoint(at, { ...CACHE, ...fields })), models: [base("m", ADDRESSES)] };
}

let version = 1_700_000_000_000_000n;
function snapshotOf(view = world(), cached?: Uint8Array): Uint8Array {
  version += 1000n;
  const bytes = encodeSnapshot({ version, source: 7n, ...view });
  return cached === undefined ? bytes : withCached(bytes, cached);
}

/** Sends a prompt of some 4 KiB, and returns the endpoint. The request is answered. */
function send(gateway: Gateway, prompt: string, worker = 0): string {
  const body = JSON.stringify({ model: "m", prompt: `${prompt} `.repeat(4096 / (prompt.length + 1)) });
  const stream = gateway.send({ path: "/v1/completions", headers: JSON_TYPE, body }, worker);
  const pod = picked(stream);
  complete(stream, pod);
  return pod;
}

const PROMPTS = Array.from({ length: 12 }, (_, i) => `prompt number ${i}`);

/** A sidecar that remembers where a first Envoy sent the prompts. */
function remembering() {
  let now = 0;
  const traffic = new EnvoyTraffic(() => now);
  const first = new Gateway({ seed: 1 });
  first.push(snapshotOf());
  first.settle();
  const homes = PROMPTS.map((prompt) => send(first, prompt));
  first.settle();
  traffic.receive("first", askReport(first));
  const index = new EndpointIndex(ADDRESSES, [16384, 16384, 16384, 16384]);
  /** The snapshot of the next push to an Envoy that reported as `origin`, `ms` after the last one. */
  const next = (origin: string, ms = 50, view = world()) => {
    now += ms;
    return snapshotOf(view, traffic.refillOf(origin, index));
  };
  return { traffic, homes, next };
}

const sent = (gateway: Gateway, worker = 0) => PROMPTS.map((prompt) => send(gateway, prompt, worker));

describe("a refill", () => {
  test("a new Envoy sends each prompt to the endpoint that has it, with every worker, after one push", () => {
    const { traffic, homes, next } = remembering();
    assert.ok(new Set(homes).size > 1);
    const second = new Gateway({ seed: 2, workers: 2 });
    traffic.receive("second", pushForReport(second, snapshotOf()));
    second.push(next("second"));
    second.settle();
    assert.deepEqual(sent(second, 1), homes);
    const third = new Gateway({ seed: 3, workers: 2 });
    traffic.receive("third", pushForReport(third, snapshotOf()));
    third.push(snapshotOf());
    third.settle();
    assert.notDeepEqual(sent(third, 1), homes, "without a refill");
    second.assertHealthy();
  });

  test("the first push may have it, before the Envoy has a prefix index", () => {
    const { traffic, homes, next } = remembering();
    traffic.receive("second", askReport(new Gateway({ seed: 2 })));
    const second = new Gateway({ seed: 2 });
    second.push(next("second"));
    assert.deepEqual(sent(second), homes);
  });

  test("a worker that begins in a living Envoy is refilled, and a report shows that it began", () => {
    const { traffic, homes, next } = remembering();
    const second = new Gateway({ seed: 2 });
    traffic.receive("second", pushForReport(second, snapshotOf()));
    second.settle();
    traffic.receive("second", askReport(second));
    for (let i = 0; i < 7; i++) next("second", 100);
    assert.ok(!traffic.isRefilling("second"));
    second.process.advance(60_000);
    second.startWorker();
    second.push(next("second"));
    second.settle();
    assert.ok(!traffic.isRefilling("second"));
    traffic.receive("second", askReport(second));
    assert.ok(traffic.isRefilling("second"));
    second.push(next("second"));
    second.settle();
    assert.deepEqual(sent(second, 1), homes);
  });

  test("when the caches grow so much that a worker begins a new table, it is refilled", () => {
    const { traffic, homes, next } = remembering();
    const second = new Gateway({ seed: 2 });
    traffic.receive("second", pushForReport(second, snapshotOf()));
    second.push(next("second"));
    traffic.receive("second", askReport(second));
    for (let i = 0; i < 14; i++) next("second", 100);
    const large = world({ kvBlocks: 16384 });
    second.push(next("second", 50, large));
    traffic.receive("second", askReport(second));
    assert.ok(traffic.isRefilling("second"));
    second.push(next("second", 50, large));
    assert.deepEqual(sent(second), homes);
  });

  test("a worker that has worked for long ignores it: what it knows is newer", () => {
    const { traffic, homes, next } = remembering();
    const second = new Gateway({ seed: 2 });
    traffic.receive("second", pushForReport(second, snapshotOf()));
    second.process.advance(31_000);
    second.push(next("second"));
    second.settle();
    assert.notDeepEqual(sent(second), homes);
  });
});
