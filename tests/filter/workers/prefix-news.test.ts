// The log of prefix updates, through which a prompt that one worker sent is known to the others at their next pick.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { textHash } from "../../../protocol/traffic.ts";
import { A, B, base, C, complete, D, endpoint, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { picked } from "../support/in-flight.ts";

const LOG = "pilotfish.news.";
/** FULL, SEGMENTS, EVERY and BURST of assembly/workers/prefix-news.ts. */
const FULL = 4096;
const SEGMENTS = 64;
const EVERY_MS = 5;
const BURST = 16;
const HEADER = 16;
/** Blocks of 512 bytes in a prompt, and bytes of its record. */
const BLOCKS = 8;
const RECORD = 24 + BLOCKS * 8;

let salt = 0;
const fresh = () => `${++salt} `.padEnd(BLOCKS * 512, "lorem ");

function world(workers: number, addresses = [A, B, C, D]): Gateway {
  const gateway = new Gateway({ workers, configuration: { snapshot: { staleAfter: "3600s" } } });
  gateway.feed({
    endpoints: addresses.map((at) => endpoint(at, { kvBlocks: 30_000, blockTokens: 16 })),
    models: [base("m", addresses)],
  });
  return gateway;
}

function ask(gateway: Gateway, text: string, worker: number): Stream {
  const body = JSON.stringify({ prompt: text, model: "m" });
  return gateway.send({ path: "/v1/completions", headers: JSON_TYPE, body }, worker);
}

/** Sends a prompt and ends its request. Returns the endpoint that it went to. */
function send(gateway: Gateway, text: string, worker: number): string {
  const stream = ask(gateway, text, worker);
  const pod = picked(stream);
  complete(stream, pod);
  return pod;
}

/** Workers that have heard of each other. */
function acquainted(workers: number): Gateway {
  const gateway = world(workers);
  for (let worker = 0; worker < workers; worker++) send(gateway, fresh(), worker);
  gateway.process.advance(250);
  return gateway;
}

/** Asserts that each worker's prompts go where its `sender` sent them, on idle endpoints and without a tick in between. */
function assertAffinity(gateway: Gateway, senders: number[], others: number[]): void {
  for (let i = 0; i < 12; i++) {
    // A worker reads and writes the log at most so often in the mean.
    gateway.process.advance(EVERY_MS * senders.length * 2);
    const text = fresh();
    const pod = send(gateway, text, senders[i % senders.length] as number);
    for (const worker of others) assert.equal(send(gateway, text, worker), pod, `prompt ${i}, worker ${worker}`);
  }
}

/** Bytes of all segments. */
const log = (gateway: Gateway) =>
  Array.from(
    { length: SEGMENTS },
    (_, k) => gateway.process.shared.get("pilotfish", LOG + k)?.value ?? Buffer.alloc(0),
  );
const written = (gateway: Gateway) => log(gateway).reduce((sum, { length }) => sum + length - HEADER, 0);

describe("a prompt that one worker sent", () => {
  for (const workers of [2, 3]) {
    test(`is known to the other worker at its next pick, with ${workers} workers`, () => {
      const gateway = acquainted(workers);
      const all = Array.from({ length: workers }, (_, worker) => worker);
      assertAffinity(gateway, all, all);
      gateway.assertHealthy();
    });
  }

  test("is written after the pick if another worker sends prompts too, else on the tick", () => {
    const gateway = world(2);
    const open = [ask(gateway, fresh(), 0)];
    const asks = (worker: number) => {
      const before = written(gateway);
      open.push(ask(gateway, fresh(), worker));
      return written(gateway) - before;
    };
    assert.equal(written(gateway), 0);
    gateway.process.advance(250);
    assert.equal(written(gateway), RECORD);
    assert.equal(asks(1), RECORD, "worker 1 has heard of worker 0");
    gateway.process.advance(20);
    assert.equal(asks(0), RECORD, "worker 0 has heard of worker 1");
    gateway.process.advance(2500);
    assert.equal(asks(0), 0, "worker 1 has sent nothing for 2 s");
    gateway.process.advance(20);
    assert.equal(written(gateway), 4 * RECORD);
    for (const stream of open) stream.abort();
  });

  test("is written with the prompts of other picks, if the worker is busy, or on the tick", () => {
    const gateway = acquainted(2);
    const counts: number[] = [];
    const asks = (picks: number) => {
      const before = written(gateway);
      for (let i = 0; i < picks; i++) send(gateway, fresh(), 0);
      counts.push((written(gateway) - before) / RECORD);
    };
    asks(40);
    gateway.process.advance(EVERY_MS);
    asks(5);
    asks(2);
    gateway.process.advance(20);
    asks(0);
    assert.deepEqual(counts, [BURST, 25, 0, 0]);
    assert.equal(written(gateway), 49 * RECORD);
  });

  test("is received once by each worker, in the order of the log, and has the same position for all workers", () => {
    const gateway = acquainted(3);
    for (let i = 0; i < 30; i++) send(gateway, fresh(), i % 3);
    const reports = [0, 1, 2].map((worker) => askReport(gateway, worker));
    const { prefixes, ring, end } = reports[0] as (typeof reports)[0];
    assert.equal(prefixes.length, 33 * RECORD);
    const heads = new Set(Array.from({ length: 33 }, (_, i) => Buffer.from(prefixes).readBigUInt64LE(i * RECORD + 24)));
    assert.equal(heads.size, 33, "33 different prompts");
    for (const report of reports) {
      assert.deepEqual(Buffer.from(report.prefixes), Buffer.from(prefixes));
      assert.deepEqual([report.ring, report.end], [ring, end]);
    }
    send(gateway, fresh(), 0);
    // A sidecar continues with another worker where it stopped.
    const next = askReport(gateway, 1, `${ring}.${end}`);
    assert.deepEqual([next.prefixes.length, next.end], [RECORD, end + BigInt(RECORD)]);
    assert.equal(askReport(gateway, 2, `${ring}.${next.end}`).prefixes.length, 0);
  });

  test("is known when the request was moved to the endpoint that served it", () => {
    const gateway = acquainted(2);
    const text = fresh();
    const stream = ask(gateway, text, 0);
    const other = [A, B, C, D].find((at) => at !== picked(stream)) as string;
    complete(stream, other);
    gateway.process.advance(20);
    const { prefixes } = askReport(gateway, 1);
    const endpoints = Array.from({ length: prefixes.length / RECORD }, (_, i) =>
      Buffer.from(prefixes).readBigUInt64LE(i * RECORD),
    );
    assert.equal(endpoints.at(-1), textHash(other));
  });
});

describe("the log", () => {
  test("has segments of a bounded size, of which the newest replaces the oldest", () => {
    const gateway = acquainted(2);
    const perSegment = Math.ceil((FULL - HEADER) / RECORD);
    for (let i = 0; i < perSegment * (SEGMENTS + 5); i++) {
      send(gateway, fresh(), i % 2);
      // Each pick appends its record, so each segment has as many records.
      gateway.process.advance(EVERY_MS);
    }
    const numbers = log(gateway).map((value) => value.readBigUInt64LE(0));
    assert.equal(new Set(numbers).size, SEGMENTS);
    const newest = numbers.reduce((most, number) => (number > most ? number : most));
    for (const [k, value] of log(gateway).entries()) {
      const number = value.readBigUInt64LE(0);
      assert.equal(number % BigInt(SEGMENTS), BigInt(k));
      if (number !== newest) assert.equal(value.length, HEADER + perSegment * RECORD);
      assert.equal(
        value.readBigUInt64LE(8),
        (number - 1n) * BigInt(perSegment * RECORD),
        "position of its first record",
      );
    }
    assertAffinity(gateway, [0, 1], [0, 1]);
  });

  test("is read to its end by a worker that missed more than it holds, and by a new worker", () => {
    const gateway = acquainted(2);
    const slow = gateway.worker(1);
    slow.tickDue = undefined;
    for (let i = 0; i < 3300; i++) send(gateway, fresh(), 0);
    gateway.process.advance(20);
    const last = fresh();
    const pod = send(gateway, last, 0);
    gateway.process.advance(20);
    slow.tickDue = gateway.process.now;
    gateway.startWorker();
    gateway.process.advance(40);
    assert.equal(send(gateway, last, 1), pod);
    assert.equal(send(gateway, last, 2), pod);
    const reports = [0, 1, 2].map((worker) => askReport(gateway, worker));
    assert.equal(new Set(reports.map(({ end }) => end)).size, 1);
    gateway.process.advance(250);
    assertAffinity(gateway, [0, 1, 2], [0, 1, 2]);
    gateway.assertHealthy();
  });

  test("gets a record of two workers that append at once from both", () => {
    const gateway = acquainted(2);
    const { shared } = gateway.process;
    const set = shared.set.bind(shared);
    let nested: string | undefined;
    const second = fresh();
    shared.set = (vmId, key, value, cas) => {
      if (key.startsWith(LOG) && nested === undefined) {
        nested = "";
        nested = send(gateway, second, 1);
      }
      return set(vmId, key, value, cas);
    };
    const first = fresh();
    const pod = send(gateway, first, 0);
    shared.set = set;
    assert.equal(written(gateway), 4 * RECORD);
    assert.equal(send(gateway, first, 1), pod);
    assert.equal(send(gateway, second, 0), nested);
    gateway.expectCounters({ "snapshot.stored": 1, requests: 6, picked: 6 });
  });

  test("gets on a later tick what the host refused, and a request tries no further meanwhile", () => {
    const gateway = acquainted(2);
    const { shared } = gateway.process;
    const set = shared.set.bind(shared);
    let refused = 0;
    shared.set = (vmId, key, value, cas) => {
      if (!key.startsWith(LOG)) return set(vmId, key, value, cas);
      refused++;
      return 8;
    };
    const text = fresh();
    const first = ask(gateway, text, 0);
    const attempts = refused;
    assert.ok(attempts > 0 && attempts < 32, `${attempts} attempts`);
    const second = ask(gateway, fresh(), 0);
    assert.equal(refused, attempts);
    assert.equal(gateway.counters()["shared.failed"], 1);
    gateway.process.advance(500);
    shared.set = set;
    gateway.process.advance(250);
    assert.equal(written(gateway), 4 * RECORD);
    const pod = picked(first);
    for (const stream of [first, second]) complete(stream, picked(stream));
    gateway.process.advance(250);
    assert.equal(send(gateway, text, 1), pod);
  });

  test("is not harmed by foreign bytes under its keys", () => {
    const gateway = acquainted(2);
    const values = ["", "x", "y".repeat(HEADER), "\0".repeat(HEADER - 1), "z".repeat(40), "w".repeat(100_000)];
    for (const value of values) {
      for (let k = 0; k < SEGMENTS; k++) gateway.process.shared.set("pilotfish", LOG + k, Buffer.from(value));
      send(gateway, fresh(), 0);
      gateway.settle();
      send(gateway, fresh(), 1);
      gateway.settle();
    }
    // A right header with wrong records.
    for (let k = 0; k < SEGMENTS; k++) {
      const segment = Buffer.alloc(HEADER + 500, 0xff);
      segment.writeBigUInt64LE(BigInt(k === 0 ? SEGMENTS : k), 0);
      gateway.process.shared.set("pilotfish", LOG + k, segment);
    }
    send(gateway, fresh(), 0);
    send(gateway, fresh(), 1);
    gateway.process.advance(250);
    for (let i = 0; i < 3300; i++) send(gateway, fresh(), i % 2);
    gateway.process.advance(250);
    assertAffinity(gateway, [0, 1], [0, 1]);
    gateway.assertHealthy();
  });

  test("keeps the records of a worker that died", () => {
    const gateway = acquainted(2);
    const text = fresh();
    const pod = send(gateway, text, 1);
    gateway.worker(1).tickDue = undefined;
    gateway.process.advance(2000);
    assert.equal(send(gateway, text, 0), pod);
  });
});
