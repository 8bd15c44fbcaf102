// Readings of pods that a collector pushes, and the other sidecars' polls get: stored unread, for the collector only, and within bounds.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { POLL_HEADER, REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { encodeReadingsPush, type ReadingsAnswer, splitAnswer } from "../../../protocol/readings/readings-codec.ts";
import {
  CODE_NOT_COLLECTOR,
  MAX_READINGS_BYTES,
  READINGS_HEADER,
  READINGS_HEADER_BYTES,
  READINGS_QUIET,
  READINGS_WANTED,
} from "../../../protocol/readings/readings-constants.ts";
import { decodeReport, type TrafficReport } from "../../../protocol/traffic-report.ts";
import { Gateway, SECRET, threePods } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";

const COLLECTOR = 5;
const PAYLOAD = new TextEncoder().encode("the filter does not read this");

function fed(): Gateway {
  const gateway = new Gateway({ workers: 2 });
  gateway.feed(threePods());
  gateway.process.advance(1000);
  return gateway;
}

interface Fields {
  collector: number;
  known: number;
  number: bigint;
  flags: number;
  ms: number;
  worker: number;
}

/** Sends a poll that asks about readings. The defaults are those of a sidecar that wants them and is not the collector. */
function poll(gateway: Gateway, fields: Partial<Fields> = {}): Stream {
  const { collector = 0, known = COLLECTOR, number = 0n, flags = READINGS_WANTED, ms = 1000, worker = 0 } = fields;
  const { news, ring, end } = askReport(gateway, worker);
  const headers = {
    [SECRET_HEADER]: SECRET,
    [REPORT_HEADER]: `${ring}.${end}`,
    [POLL_HEADER]: [ms, news, known, collector, collector === 0 ? 0 : 2].join("."),
    [READINGS_HEADER]: `${number}.${flags}`,
  };
  return gateway.send({ method: "GET", path: SNAPSHOT_PATH, headers }, worker);
}

/** Starts the poll of a collector, which takes the lease. */
const collect = (gateway: Gateway, fields: Partial<Fields> = {}) =>
  poll(gateway, { collector: COLLECTOR, flags: 0, ms: 5000, ...fields });

function answerOf(stream: Stream): { report: TrafficReport; readings: ReadingsAnswer } | undefined {
  const local = stream.localResponse;
  if (local === undefined) return undefined;
  assert.equal(local.status, 200, local.body.toString("utf8"));
  const { report, readings } = splitAnswer(local.body);
  assert.ok(readings, "the answer says something about readings");
  return { report: decodeReport(report), readings };
}

function answered(stream: Stream): { report: TrafficReport; readings: ReadingsAnswer } {
  const answer = answerOf(stream);
  assert.ok(answer, "the filter has answered");
  stream.finish();
  return answer;
}

const push = (gateway: Gateway, collector = COLLECTOR, payload = PAYLOAD, worker = 1) =>
  gateway.push(encodeReadingsPush(collector, 3, payload), undefined, worker);

describe("readings that the collector pushes", () => {
  test("reach a held poll of another sidecar within 20 ms, byte for byte, with the time that they were on the way", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    const held = poll(gateway);
    gateway.process.advance(200);
    assert.equal(answerOf(held), undefined);
    assert.equal(push(gateway).status, 200);
    gateway.process.advance(21);
    const { readings } = answered(held);
    assert.deepEqual([readings.collector, readings.listened], [COLLECTOR, true]);
    assert.deepEqual(Buffer.from(readings.payload), Buffer.from(PAYLOAD));
    assert.ok(readings.delayMs >= 3 && readings.delayMs <= 24, `${readings.delayMs}`);
    assert.ok(readings.heldMs >= 200 && readings.heldMs <= 221, `${readings.heldMs}`);
    gateway.assertHealthy();
  });

  test("come once: a poll that has them waits for the next", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    push(gateway);
    const { readings } = answered(poll(gateway));
    gateway.process.advance(21);
    // The collector has learned that its readings are wanted, and polls again.
    collect(gateway, { worker: 1 });
    const held = poll(gateway, { number: readings.number });
    gateway.process.advance(500);
    assert.equal(answerOf(held), undefined);
    push(gateway, COLLECTOR, new Uint8Array([1, 2, 3]));
    gateway.process.advance(21);
    const next = answered(held).readings;
    assert.deepEqual([...next.payload], [1, 2, 3]);
    assert.notEqual(next.number, readings.number);
  });

  test("are as long as the limit says, and one byte more is refused", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    const most = new Uint8Array(MAX_READINGS_BYTES - READINGS_HEADER_BYTES).fill(7);
    assert.equal(push(gateway, COLLECTOR, most).status, 200);
    assert.equal(answered(poll(gateway)).readings.payload.length, most.length);
    assert.equal(push(gateway, COLLECTOR, new Uint8Array(most.length + 1)).status, 413);
    gateway.assertHealthy();
  });

  test("go to no poll after ten seconds, since nobody has use for them", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    push(gateway);
    for (let i = 0; i < 3; i++) {
      gateway.process.advance(4000);
      collect(gateway, { worker: 1 });
    }
    const held = poll(gateway);
    gateway.process.advance(40);
    assert.equal(answerOf(held), undefined);
  });
});

describe("readings are refused", () => {
  const refused = (gateway: Gateway, body: Uint8Array): [number, string] => {
    const { status, json } = gateway.push(body, undefined, 0);
    return [status, (json as { error: { code: string } }).error.code];
  };

  test("from a sidecar that is not the collector, and while there is none", () => {
    const gateway = fed();
    assert.deepEqual(refused(gateway, encodeReadingsPush(COLLECTOR, 0, PAYLOAD)), [409, CODE_NOT_COLLECTOR]);
    collect(gateway, { worker: 1 });
    assert.deepEqual(refused(gateway, encodeReadingsPush(COLLECTOR + 1, 0, PAYLOAD)), [409, CODE_NOT_COLLECTOR]);
    assert.deepEqual(refused(gateway, encodeReadingsPush(0, 0, PAYLOAD)), [409, CODE_NOT_COLLECTOR]);
    const held = poll(gateway);
    gateway.process.advance(100);
    assert.equal(answerOf(held), undefined);
  });

  test("without the secret", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    const headers = { [SECRET_HEADER]: "another secret" };
    const body = encodeReadingsPush(COLLECTOR, 0, PAYLOAD);
    const stream = gateway.send({ method: "POST", path: SNAPSHOT_PATH, headers, body });
    assert.equal(stream.localResponse?.status, 401);
  });

  test("with another major version, or another length than their header says", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    const whole = encodeReadingsPush(COLLECTOR, 0, PAYLOAD);
    assert.deepEqual(refused(gateway, whole.subarray(0, whole.length - 1)), [400, "snapshot_malformed"]);
    const other = Uint8Array.from(whole);
    other[4] = 9;
    assert.deepEqual(refused(gateway, other), [400, "snapshot_malformed"]);
    assert.deepEqual(refused(gateway, whole.subarray(0, READINGS_HEADER_BYTES - 1)), [400, "snapshot_malformed"]);
    gateway.assertHealthy();
  });
});

describe("a collector", () => {
  test("does not get its own readings, and learns within a tick that another sidecar wants them", () => {
    const gateway = fed();
    const alone = collect(gateway, { worker: 1 });
    gateway.process.advance(300);
    assert.equal(answerOf(alone), undefined);
    poll(gateway);
    gateway.process.advance(21);
    assert.equal(answered(alone).readings.listened, true);
    push(gateway);
    const own = collect(gateway, { worker: 1, flags: READINGS_WANTED });
    gateway.process.advance(300);
    assert.equal(answerOf(own), undefined);
  });

  test("learns that nobody wants readings any more", () => {
    const gateway = fed();
    const first = collect(gateway, { worker: 1 });
    poll(gateway).abort();
    gateway.process.advance(21);
    assert.equal(answered(first).readings.listened, true);
    const held = collect(gateway, { worker: 1, ms: 5000 });
    gateway.process.advance(4000);
    assert.equal(answered(held).readings.listened, false);
  });

  test("that loses the lease is followed by readings of the new collector only", () => {
    const gateway = fed();
    collect(gateway, { worker: 1 });
    push(gateway);
    collect(gateway, { worker: 1, collector: COLLECTOR - 1 });
    const held = poll(gateway, { known: COLLECTOR - 1 });
    gateway.process.advance(100);
    assert.equal(answerOf(held), undefined);
    assert.equal(push(gateway, COLLECTOR).status, 409);
    assert.equal(push(gateway, COLLECTOR - 1).status, 200);
    gateway.process.advance(21);
    assert.equal(answered(held).readings.collector, COLLECTOR - 1);
  });

  test("that ends its poll loses the lease within 60 ms", () => {
    const gateway = fed();
    const held = collect(gateway, { worker: 1 });
    const other = poll(gateway);
    gateway.process.advance(300);
    held.abort();
    gateway.process.advance(61);
    assert.equal(answered(other).report.collector, 0);
  });

  test("of a single Envoy polls quietly: counts are no news, and the lease outlasts the tick of an idle worker", () => {
    const gateway = fed();
    gateway.process.advance(1000);
    let held = collect(gateway, { flags: READINGS_QUIET, ms: 500 });
    for (let i = 0; i < 5; i++) {
      gateway.chat("lora", 1);
      gateway.process.advance(490);
      assert.equal(answerOf(held), undefined);
      gateway.process.advance(200);
      assert.equal(answered(held).report.collector, COLLECTOR);
      held = collect(gateway, { flags: READINGS_QUIET, ms: 500 });
    }
    gateway.assertHealthy();
  });
});

test("a poll without the header, or with a wrong one, is answered with a report alone", () => {
  const gateway = fed();
  for (const value of [undefined, "", "1", "x.1", "1.2.3"]) {
    const headers = {
      [SECRET_HEADER]: SECRET,
      [REPORT_HEADER]: "0.0",
      [POLL_HEADER]: "1000.0.7.0.0",
      ...(value !== undefined && { [READINGS_HEADER]: value }),
    };
    const stream = gateway.send({ method: "GET", path: SNAPSHOT_PATH, headers });
    const body = stream.localResponse?.body ?? Buffer.alloc(0);
    assert.equal(splitAnswer(body).readings, undefined, value);
    decodeReport(body);
    stream.finish();
  }
});
