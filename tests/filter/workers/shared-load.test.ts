// What a worker has on an endpoint, known to the other workers at their next pick (assembly/workers/shared-load.ts).
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Result } from "../../../emulator/codes.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { A, B, base, C, D, endpoint, Gateway, threePods } from "../../../testkit/filter/gateway.ts";
import { fed, NOBODY, picked } from "../support/in-flight.ts";

const RECORD = "pilotfish.load.0";

/** Two endpoints that serve m. Both workers have had a request, so each knows that the other is alive. */
function acquainted(profile: "load" | "tokens", workers = 2): Gateway {
  const gateway = new Gateway({ workers, configuration: { pick: { profile } } });
  gateway.feed({
    endpoints: [endpoint(A), endpoint(B)],
    models: [base("m", [A, B]), base("only-a", [A]), base("only-b", [B])],
  });
  for (let worker = 0; worker < workers; worker++) gateway.chat("m", worker).abort();
  gateway.settle();
  gateway.settle();
  return gateway;
}

/** Asserts that both workers count these in-flight requests. */
function bothCount(gateway: Gateway, requests: Record<string, number>): void {
  for (const worker of [0, 1]) assert.deepEqual(gateway.inFlight(worker), requests, `worker ${worker}`);
}

const recordOf = (gateway: Gateway) => Buffer.from(gateway.process.shared.get("pilotfish", RECORD)?.value ?? "");

describe("a shared record", () => {
  test("steers the other worker's next pick, without a tick between", () => {
    const gateway = acquainted("load");
    for (let i = 0; i < 3; i++) gateway.chat("only-a", 0);
    const picks = [1, 2, 3].map(() => picked(gateway.chat("m", 1)));
    assert.deepEqual(picks, [B, B, B]);
    gateway.chat("only-b", 0);
    assert.equal(picked(gateway.chat("m", 1)), A);
  });

  test("loses a request when the request ends, without a tick between", () => {
    const gateway = acquainted("load");
    const streams = [1, 2, 3].map(() => gateway.chat("only-a", 0));
    gateway.chat("only-b", 0);
    for (const stream of streams) stream.abort();
    assert.equal(picked(gateway.chat("m", 1)), A);
  });

  test("has the waiting tokens of a streamed request until its first byte", () => {
    const gateway = acquainted("tokens");
    const body = { model: "only-a", stream: true, messages: [{ role: "user", content: "word ".repeat(40_000) }] };
    const stream = gateway.stream(0);
    stream.send({ method: "POST", path: "/v1/chat/completions", body: JSON.stringify(body) });
    const waiting = () => (recordOf(gateway).readBigUInt64LE(32) >> 20n) & 0x3fffffn;
    assert.ok(waiting() > 1000n, "units of 16 tokens");
    gateway.chat("only-b", 0);
    assert.equal(picked(gateway.chat("m", 1)), B, "one request beside few tokens is cheaper");
    const headers = { "content-type": "text/event-stream" };
    stream.respond({ headers, chunks: ["data: {}\n\n"], upstreamAddress: A, end: false });
    assert.ok(waiting() < 10n);
    assert.equal(picked(gateway.chat("m", 1)), A);
  });

  test("does not exist where one worker has all requests", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.feed({ endpoints: [endpoint(A)], models: [base("m", [A])] });
    for (let i = 0; i < 5; i++) gateway.chat("m", 0);
    gateway.process.advance(2000);
    assert.deepEqual(
      gateway.process.shared.keys("pilotfish").filter((key) => key.startsWith("pilotfish.load")),
      [],
    );
  });

  test("shows a change of each endpoint, wherever the endpoint's word is", () => {
    const gateway = new Gateway({ workers: 2, configuration: { pick: { profile: "load" } } });
    const all = Array.from({ length: 20 }, (_, i) => `10.20.0.${100 + i}:8000`);
    const models = [base("m", all), ...all.map((address, i) => base(`only-${i}`, [address]))];
    gateway.feed({ endpoints: all.map((address) => endpoint(address)), models });
    for (const worker of [0, 1]) gateway.chat("m", worker).abort();
    gateway.settle();
    gateway.settle();
    for (const [free, address] of all.entries()) {
      for (const i of all.keys()) if (i !== free) gateway.chat(`only-${i}`, 0);
      const stream = gateway.chat("m", 1);
      assert.equal(picked(stream), address);
      stream.abort();
      gateway.chat(`only-${free}`, 0);
    }
  });

  test("of more than 1,024 endpoints has a part for each 1,024", () => {
    const addresses = Array.from(
      { length: 1100 },
      (_, i) => `10.20.${100 + Math.floor(i / 100)}.${100 + (i % 100)}:8000`,
    );
    const gateway = new Gateway({ workers: 2 });
    const [first, last] = [addresses[0] as string, addresses[1099] as string];
    const models = [base("m", [first, last]), base("first", [first]), base("last", [last])];
    gateway.feed({ endpoints: addresses.map((address) => endpoint(address)), models });
    for (const worker of [0, 1]) gateway.chat("m", worker).abort();
    gateway.settle();
    gateway.settle();
    gateway.chat("last", 0);
    assert.equal(picked(gateway.chat("m", 1)), first);
    gateway.chat("first", 0);
    gateway.chat("first", 0);
    assert.equal(picked(gateway.chat("m", 1)), last);
    gateway.assertHealthy();
  });
});

test("a record of many endpoints has a pick at once, the next picks with a pick 2 µs for each endpoint later, or with a tick", () => {
  const gateway = new Gateway({ workers: 2 });
  const many = Array.from({ length: 500 }, (_, i) => `10.20.${100 + Math.floor(i / 100)}.${100 + (i % 100)}:8000`);
  const first = many[0] as string;
  gateway.feed({ endpoints: many.map((at) => endpoint(at)), models: [base("m", many), base("first", [first])] });
  for (const worker of [0, 1]) gateway.chat("m", worker).abort();
  gateway.settle();
  gateway.settle();
  const streams: ReturnType<Gateway["chat"]>[] = [];
  const written = (picks: number) => {
    for (let i = 0; i < picks; i++) streams.push(gateway.chat("first", 0));
    return Number(recordOf(gateway).readBigUInt64LE(32) & 0xfffffn);
  };
  assert.equal(written(3), 1);
  gateway.process.advance(1);
  assert.equal(written(2), 4);
  gateway.process.advance(20);
  assert.equal(written(0), 5);
  assert.equal(gateway.inFlight(1)[first], 5);
  for (const stream of streams.splice(0)) stream.abort();
  gateway.process.advance(20);
  assert.equal(written(0), 0);
});

/** Worker 0 has 40 requests on A, and B is busy enough that a pick goes to A as soon as A has fewer. */
function busy(): { gateway: Gateway; onA: ReturnType<Gateway["chat"]>[] } {
  const gateway = acquainted("load");
  const onA = Array.from({ length: 40 }, () => gateway.chat("only-a", 0));
  for (let i = 0; i < 39; i++) gateway.chat("only-b", 1);
  gateway.settle();
  return { gateway, onA };
}

const onAInRecord = (gateway: Gateway) => Number(recordOf(gateway).readBigUInt64LE(32) & 0xfffffn);

describe("ends of a worker with many requests", () => {
  test("wait for the worker's next pick, which writes them too", () => {
    const { gateway, onA } = busy();
    onA.pop()?.abort();
    onA.pop()?.abort();
    assert.equal(onAInRecord(gateway), 40);
    gateway.chat("only-b", 0);
    assert.equal(onAInRecord(gateway), 38);
    assert.equal(picked(gateway.chat("m", 1)), A);
  });

  test("wait for the next tick at most", () => {
    const { gateway, onA } = busy();
    onA.pop()?.abort();
    assert.equal(onAInRecord(gateway), 40);
    gateway.settle();
    assert.equal(onAInRecord(gateway), 39);
    assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [39, 39]);
  });

  test("do not wait when they are more than an eighth of the requests in flight", () => {
    const { gateway, onA } = busy();
    for (let left = 39; left > 0; left--) {
      onA.pop()?.abort();
      assert.ok(onAInRecord(gateway) - left <= left / 8, `${left} in flight, ${onAInRecord(gateway)} in the record`);
    }
  });

  test("are known after the tick of each worker, however many endpoints they ended on", () => {
    const { gateway, onA } = busy();
    const onB = Array.from({ length: 40 }, () => gateway.chat("only-b", 0));
    for (let i = 0; i < 3; i++) {
      onA.pop()?.abort();
      onB.pop()?.abort();
    }
    gateway.settle();
    assert.deepEqual(gateway.inFlight(0), { [A]: 37, [B]: 76 });
    assert.deepEqual(gateway.inFlight(1), { [A]: 37, [B]: 76 });
    gateway.assertHealthy();
  });
});

describe("a shared record is right again", () => {
  test("1.5 s after a worker's VM died with requests", () => {
    const gateway = acquainted("load", 3);
    for (let i = 0; i < 4; i++) gateway.chat("only-a", 1);
    const kept = gateway.chat("only-b", 2);
    gateway.worker(1).tickDue = undefined;
    gateway.process.advance(1500);
    assert.deepEqual(gateway.inFlight(0), { [A]: 0, [B]: 1 });
    assert.equal(picked(gateway.chat("m", 0)), A);
    kept.abort();
    gateway.settle();
    assert.deepEqual(gateway.inFlight(2), { [A]: 1, [B]: 0 });
  });

  test("two ticks after endpoints came and went, with requests of all workers", () => {
    const gateway = acquainted("load");
    gateway.chat("only-a", 0);
    gateway.chat("only-b", 1);
    gateway.feed({ endpoints: [endpoint(B), endpoint(D)], models: [base("m", [B, D])] });
    gateway.settle();
    bothCount(gateway, { [B]: 1, [D]: 0 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B])] });
    gateway.settle();
    bothCount(gateway, { [A]: 1, [B]: 1 });
  });

  test("two ticks after endpoints came back, where no worker could write while they were away", () => {
    const gateway = acquainted("load");
    gateway.chat("only-a", 0);
    gateway.chat("only-b", 1);
    const { shared } = gateway.process;
    const set = shared.set.bind(shared);
    shared.set = (vmId, key, value, cas) => (key === RECORD ? Result.CasMismatch : set(vmId, key, value, cas));
    gateway.feed({ endpoints: [endpoint(B), endpoint(D)], models: [base("m", [B, D])] });
    assert.deepEqual([gateway.inFlight(0)[B], gateway.inFlight(1)[B]], [1, 1], "by the exchange on the tick");
    shared.set = set;
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B])] });
    gateway.settle();
    bothCount(gateway, { [A]: 1, [B]: 1 });
  });

  test("after a snapshot with a lower version, which a sidecar whose clock was set back pushes", () => {
    const gateway = acquainted("load");
    const before = { endpoints: [endpoint(A), endpoint(B), endpoint(C)], models: [] };
    const answer = gateway.push(encodeSnapshot({ version: 1_900_000_000_000_000n, source: 7n, ...before }));
    assert.equal(answer.status, 200);
    gateway.settle();
    gateway.process.advance(3000);
    const models = [base("m", [A, B]), base("only-a", [A])];
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models });
    gateway.process.advance(400);
    for (let i = 0; i < 3; i++) gateway.chat("only-a", 0);
    assert.deepEqual(
      [1, 2, 3].map(() => picked(gateway.chat("m", 1))),
      [B, B, B],
    );
  });

  test("two ticks after foreign bytes were written over it", () => {
    const gateway = acquainted("load");
    gateway.chat("only-a", 0);
    const bytes = [Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(48), Buffer.alloc(100_000, 7)];
    for (const value of bytes) {
      gateway.process.shared.set("pilotfish", RECORD, value);
      gateway.settle();
      gateway.settle();
      assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [1, 1], `${value.length} bytes`);
    }
    gateway.assertHealthy();
  });

  test("after many random requests of four workers, whose counts then are all 0", () => {
    const gateway = fed(4, { pick: { profile: "tokens" } });
    const open: { stream: ReturnType<Gateway["chat"]>; worker: number }[] = [];
    let random = 1;
    const below = (limit: number) => {
      random = (random * 1103515245 + 12345) % 2147483648;
      return Math.floor((random / 2147483648) * limit);
    };
    for (let i = 0; i < 3000; i++) {
      if (i % 30 === 0) gateway.feed(threePods(), below(4));
      const worker = below(4);
      if (below(2) === 0 || open.length > 40) open.splice(below(open.length), 1)[0]?.stream.abort();
      else open.push({ stream: gateway.chat("m", worker), worker });
      if (below(10) === 0) gateway.process.advance(below(50));
      if (i % 500 !== 499) continue;
      gateway.settle();
      gateway.settle();
      for (const each of [0, 1, 2, 3]) {
        const counts = gateway.inFlight(each);
        assert.equal((counts[A] ?? 0) + (counts[B] ?? 0) + (counts[C] ?? 0), open.length, `worker ${each}, step ${i}`);
      }
    }
    for (const { stream } of open) stream.abort();
    gateway.settle();
    gateway.settle();
    for (const worker of [0, 1, 2, 3]) assert.deepEqual(gateway.inFlight(worker), NOBODY);
    gateway.assertHealthy();
  });
});
