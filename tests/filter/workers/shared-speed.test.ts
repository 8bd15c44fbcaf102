// The speed of endpoints, which the workers of an Envoy learn together.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, B, base, C, endpoint, Gateway, JSON_TYPE, routed } from "../../../testkit/filter/gateway.ts";

const DEBUG = "a-debug-secret-of-20";
const KEY = "pilotfish.speed.";
const POOL = [A, B, C];
const HEADER = 8;
const RECORD = 32;

function world(workers: number, pods = POOL): Gateway {
  const configuration = { pick: { debugSecret: DEBUG }, snapshot: { staleAfter: "3600s" } };
  const gateway = new Gateway({ workers, configuration });
  feed(gateway, pods);
  return gateway;
}

function feed(gateway: Gateway, pods: string[]): void {
  gateway.feed({
    endpoints: pods.map((at) => endpoint(at)),
    models: pods.map((at) => base(at, [at])).concat(base("m", pods)),
  });
}

/** Sends streamed requests to one endpoint, each of which has its first byte after `ms`. */
function streamed(gateway: Gateway, worker: number, pod: string, ms: number, times: number): void {
  for (let i = 0; i < times; i++) {
    const body = JSON.stringify({ model: pod, stream: true, prompt: "x" });
    const stream = gateway.send({ path: "/v1/completions", headers: JSON_TYPE, body }, worker);
    gateway.process.advance(ms);
    const headers = { "content-type": "text/event-stream" };
    stream.respond({ headers, chunks: ["data: {}\n\n"], upstreamAddress: pod, end: false });
    stream.responseBody("data: [DONE]\n\n", true);
    stream.finish();
  }
}

/** Factors s(p) of each endpoint, as a worker's pick has them. */
function speeds(gateway: Gateway, worker: number): Record<string, number> {
  const headers = { ...JSON_TYPE, "x-pilotfish-debug": DEBUG };
  const stream = gateway.send({ path: "/v1/completions", headers, body: '{"model":"m","prompt":"x"}' }, worker);
  const pod = routed(stream.outcome).destination?.split(",")[0] ?? "";
  const text =
    stream.respond({ status: 200, body: "{}", upstreamAddress: pod }).headers?.get("x-pilotfish-explain") ?? "";
  stream.finish();
  return Object.fromEntries([...text.matchAll(/(\S+:\d+) cost=\S+ s=(\S+)/g)].map((m) => [m[1], Number(m[2])]));
}

/** Lets a worker learn that A takes five times as long as the others. */
function learn(gateway: Gateway, worker: number, times = 20): void {
  for (const pod of POOL) streamed(gateway, worker, pod, pod === A ? 60 : 6, times);
}

const records = (gateway: Gateway, group = 0) =>
  ((gateway.process.shared.get("pilotfish", KEY + group)?.value.length ?? HEADER) - HEADER) / RECORD;

describe("speeds that workers learn together", () => {
  test("a worker knows what another worker learned, although it has sent nothing", () => {
    const gateway = world(2);
    learn(gateway, 0);
    const before = speeds(gateway, 0);
    assert.ok((before[A] ?? 0) > 1.4 && before[B] === 1 && before[C] === 1, JSON.stringify(before));
    gateway.process.advance(500);
    assert.deepEqual(speeds(gateway, 1), speeds(gateway, 0));
    assert.ok((speeds(gateway, 1)[A] ?? 0) > 1.4);
    gateway.assertHealthy();
  });

  test("samples of three workers add up: together they learn what each alone is not sure of", () => {
    const few = world(3);
    learn(few, 0, 4);
    few.process.advance(500);
    assert.equal(speeds(few, 0)[A], 1);
    for (const worker of [1, 2, 0, 1, 2]) learn(few, worker, 4);
    few.process.advance(500);
    const known = [0, 1, 2].map((worker) => speeds(few, worker));
    assert.ok((known[0]?.[A] ?? 0) > 1.5, JSON.stringify(known[0]));
    for (const one of known) assert.deepEqual(one, known[0]);
  });

  test("a new worker, and a worker whose endpoints came back, know them at once", () => {
    const gateway = world(2);
    learn(gateway, 0);
    gateway.process.advance(500);
    feed(gateway, [B, C]);
    gateway.process.advance(500);
    feed(gateway, POOL);
    gateway.process.advance(500);
    gateway.startWorker();
    gateway.process.advance(40);
    const [first, second, third] = [0, 1, 2].map((worker) => speeds(gateway, worker));
    assert.ok((first?.[A] ?? 0) > 1.4, JSON.stringify(first));
    assert.deepEqual([second, third], [first, first]);
    assert.equal(records(gateway), 3);
  });

  test("a worker whose additions fail keeps its samples until one succeeds", () => {
    const gateway = world(2);
    const { shared } = gateway.process;
    const set = shared.set.bind(shared);
    shared.set = (vmId, key, value, cas) => (key.startsWith(KEY) ? 8 : set(vmId, key, value, cas));
    learn(gateway, 0);
    gateway.process.advance(500);
    assert.equal(records(gateway), 0);
    assert.equal(speeds(gateway, 1)[A], 1);
    shared.set = set;
    gateway.process.advance(500);
    assert.equal(records(gateway), 3);
    assert.deepEqual(speeds(gateway, 1), speeds(gateway, 0));
    assert.ok((speeds(gateway, 1)[A] ?? 0) > 1.4);
  });

  test("samples that two workers add at once are both added", () => {
    const gateway = world(2);
    learn(gateway, 0);
    gateway.process.advance(500);
    const { shared } = gateway.process;
    const sampled = () => {
      const value = shared.get("pilotfish", `${KEY}0`)?.value ?? Buffer.alloc(0);
      return Array.from({ length: 3 }, (_, i) => value.readUInt32LE(HEADER + i * RECORD + 24));
    };
    assert.deepEqual(sampled(), [20, 20, 20]);
    // Both workers have a sample of each endpoint, and worker 1 adds its samples between worker 0's reading and writing.
    const other = gateway.worker(1);
    other.tickDue = undefined;
    for (const pod of POOL) for (const worker of [0, 1]) streamed(gateway, worker, pod, 6, 1);
    const set = shared.set.bind(shared);
    let nested = false;
    shared.set = (vmId, key, value, cas) => {
      if (key.startsWith(KEY) && !nested) {
        nested = true;
        other.tick();
      }
      return set(vmId, key, value, cas);
    };
    gateway.process.advance(500);
    assert.ok(nested);
    assert.deepEqual(sampled(), [22, 22, 22]);
    other.tick();
    assert.deepEqual(speeds(gateway, 1), speeds(gateway, 0));
  });

  test("foreign bytes under the keys harm nobody", () => {
    const gateway = world(2);
    for (const value of [
      "",
      "x",
      "y".repeat(HEADER),
      "z".repeat(HEADER + RECORD),
      "w".repeat(100_000),
      "\xff".repeat(HEADER + 2 * RECORD),
    ]) {
      gateway.process.shared.set("pilotfish", `${KEY}0`, Buffer.from(value, "latin1"));
      streamed(gateway, 0, B, 6, 1);
      gateway.process.advance(500);
    }
    learn(gateway, 1);
    gateway.process.advance(500);
    assert.deepEqual(speeds(gateway, 0), speeds(gateway, 1));
    assert.ok((speeds(gateway, 0)[A] ?? 0) > 1.4);
    gateway.assertHealthy();
  });

  test("1,000 endpoints have 16 groups, and what one worker learned of any of them the other knows", () => {
    const pods = Array.from({ length: 1000 }, (_, i) => `10.1.${Math.floor(i / 250)}.${i % 250}:8000`);
    const gateway = world(2, pods);
    const learned = pods.filter((_, i) => i % 10 === 0);
    for (const pod of learned) streamed(gateway, 0, pod, 6, 1);
    gateway.process.advance(500);
    const groups = gateway.process.shared.keys("pilotfish").filter((key) => key.startsWith(KEY));
    assert.equal(groups.length, 16);
    assert.equal(
      Array.from({ length: 16 }, (_, group) => records(gateway, group)).reduce((sum, n) => sum + n),
      learned.length,
    );
    gateway.assertHealthy();
  });
});
