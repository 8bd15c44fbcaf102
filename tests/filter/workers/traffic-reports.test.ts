// Traffic reports, which Envoys exchange through the sidecar. A test knows every request of each Envoy, and compares the requests with
// the counts that the other Envoys have.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { decodePrefixes, textHash } from "../../../protocol/traffic.ts";
import {
  A,
  B,
  base,
  C,
  chat,
  complete,
  endpoint,
  Gateway,
  JSON_TYPE,
  routed,
  threePods,
} from "../../../testkit/filter/gateway.ts";
import { askReport, Envoys, pushForReport } from "../support/envoys.ts";
import { sequence } from "../support/sequence.ts";

/**
 * Bound on the age of another Envoy's counts (ARCHITECTURE.md, "What Envoys share"): a tick of the worker that publishes, two push
 * intervals of 50 ms, and a tick of the receiver.
 */
const BOUND_MS = 20 + 2 * 50 + 20;

const picked = (stream: Stream) => routed(stream.outcome).destination?.split(",")[0] as string;

describe("a traffic report", () => {
  test("a report has the requests of all workers, whichever worker answers, and only endpoints with requests", () => {
    const gateway = new Gateway({ workers: 2, configuration: { pick: { profile: "load" } } });
    gateway.feed(threePods());
    const streams = [gateway.chat("lora", 0), gateway.chat("lora", 1), gateway.chat("lora", 1)];
    gateway.settle();
    for (const worker of [0, 1]) {
      const { counts } = askReport(gateway, worker);
      assert.deepEqual([...counts.keys()], [textHash(A)]);
      assert.deepEqual(counts.get(textHash(A)), { requests: 3, lasted: 3, pending: 0, sent: 0 });
    }
    for (const stream of streams) stream.abort();
    gateway.settle();
    for (const worker of [0, 1]) assert.equal(askReport(gateway, worker).counts.size, 0);
    gateway.expectCounters({ "snapshot.stored": 1, requests: 3, picked: 3, reported: 4 });
  });

  test("a report says whether picks or admission use the queues of scrapes", () => {
    const uses = (configuration: object) => askReport(new Gateway({ configuration })).usesQueues;
    assert.equal(uses({}), false);
    for (const profile of ["load", "epp"]) assert.equal(uses({ pick: { profile } }), true, profile);
    assert.equal(uses({ pick: { onStale: "penalise" } }), true);
    assert.equal(uses({ admission: { mode: "hold" } }), true);
  });

  test("with admission.mode shed, a report says that queues are used after a request with a priority below 0", () => {
    const gateway = new Gateway({ configuration: { admission: { objectives: { low: -1, usual: 0 } } } });
    gateway.feed(threePods());
    const send = (objective: string) =>
      gateway.send({ ...chat("lora"), headers: { ...JSON_TYPE, "x-gateway-inference-objective": objective } }).abort();
    send("usual");
    assert.equal(askReport(gateway).usesQueues, false);
    send("low");
    assert.equal(askReport(gateway).usesQueues, true);
  });

  test("a report counts ejections, whichever worker ejected the endpoint and whichever answers", () => {
    const gateway = new Gateway({ workers: 2, configuration: { snapshot: { staleAfter: "3600s" } } });
    gateway.feed(threePods());
    gateway.settle();
    assert.equal(askReport(gateway, 1).ejections, 0);
    for (let i = 0; i < 3; i++) {
      const stream = gateway.chat("lora", 0);
      stream.respond({ status: 500, body: "{}", upstreamAddress: A });
      stream.finish();
    }
    gateway.settle();
    for (const worker of [0, 1]) assert.equal(askReport(gateway, worker).ejections, 1);
  });

  test("all workers of an Envoy report the same id, and another Envoy reports another", () => {
    const gateway = new Gateway({ workers: 3 });
    const ids = [0, 1, 2].map((worker) => askReport(gateway, worker).instance);
    assert.equal(new Set(ids).size, 1);
    assert.notEqual(askReport(new Gateway({ seed: 2 })).instance, ids[0]);
  });

  test("a report is given before the first push, and only for the secret", () => {
    const gateway = new Gateway();
    const { version, counts } = askReport(gateway);
    assert.deepEqual([version, counts.size], [0n, 0]);
    const stream = gateway.send({
      method: "GET",
      path: "/.pilotfish/snapshot",
      headers: { "x-pilotfish-report": "0.0" },
    });
    assert.equal(stream.localResponse?.status, 401);
  });

  test("a header with an invalid value gets no report", () => {
    const gateway = new Gateway();
    gateway.feed(threePods());
    for (const value of ["", "1", "-1.0", "0.0.0", "a.b", "0x1.0"]) {
      const headers = { "x-pilotfish-secret": "0123456789abcdef-secret", "x-pilotfish-report": value };
      const answer = gateway.control({ method: "GET", path: "/.pilotfish/snapshot", headers });
      assert.equal(answer.json.endpoints.length, 3, value);
    }
  });
});

describe("the view of another Envoy's requests", () => {
  test("counts of another Envoy are within the stated bound of the truth, for two Envoys with two workers each", () => {
    const envoys = new Envoys(2, threePods());
    const next = sequence(3);
    const slots = [0, 1, 2, 3];
    // The number of requests that each worker had on each endpoint, every 5 ms. Slots 0 and 1 are the workers of Envoy 0.
    const history: Record<string, number>[][] = slots.map(() => []);
    const open: Stream[][] = slots.map(() => []);
    const steps = BOUND_MS / 5;
    let compared = 0;
    for (let step = 0; step < 800; step++) {
      for (const slot of slots) {
        // Bursts alternate with quiet times. Some requests are aborted and the others complete.
        const mine = open[slot] as Stream[];
        for (let n = step % 97 < 5 ? next(4) : next(2); n > 0; n--)
          mine.push(envoys.envoy(slot >> 1).chat("m", slot & 1));
        while (mine.length > 20 || (mine.length > 0 && next(3) === 0)) {
          const [stream] = mine.splice(next(mine.length), 1) as [Stream];
          if (next(3) === 0) stream.abort();
          else complete(stream, picked(stream));
        }
        const counts: Record<string, number> = { [A]: 0, [B]: 0, [C]: 0 };
        for (const stream of mine) counts[picked(stream)] = (counts[picked(stream)] ?? 0) + 1;
        history[slot]?.push(counts);
      }
      envoys.advance(5);
      if (step % 10 === 9) envoys.round();
      if (step < steps || step % 7 !== 0) continue;
      for (const i of [0, 1]) {
        // The count that Envoy i has of a worker must be a count that this worker had at some moment within BOUND_MS.
        const others = slots.filter((slot) => slot >> 1 !== i).map((slot) => history[slot]?.slice(-steps - 1) ?? []);
        for (const [address, [, elsewhere]] of Object.entries(envoys.seen(i, next(2)))) {
          const sum = (pick: (...counts: number[]) => number) =>
            others.reduce((total, window) => total + pick(...window.map((one) => one[address] as number)), 0);
          const [least, most] = [sum(Math.min), sum(Math.max)];
          assert.ok(elsewhere >= least && elsewhere <= most, `${elsewhere} on ${address}, in truth ${least}...${most}`);
          compared++;
        }
      }
    }
    assert.ok(compared > 500);
    for (const stream of open.flat()) stream.abort();
    envoys.run(BOUND_MS + 60);
    for (const i of [0, 1]) {
      for (const worker of [0, 1]) assert.deepEqual(envoys.seen(i, worker), { [A]: [0, 0], [B]: [0, 0], [C]: [0, 0] });
    }
  });

  test("requests that one Envoy sent to an endpoint keep the others away from it", () => {
    const view = { endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] };
    const envoys = new Envoys(2, view);
    for (let i = 0; i < 6; i++) envoys.envoy(0).chat("only-a", i % 2);
    envoys.run(150);
    const picks = Array.from({ length: 3 }, () => picked(envoys.envoy(1).chat("m")));
    assert.deepEqual(picks, [B, B, B]);
  });

  test("a burst reaches both Envoys at once: a request that an Envoy has not reported yet counts once for each Envoy", () => {
    const view = { endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] };
    const envoys = new Envoys(2, view, { workers: 1 });
    for (let i = 0; i < 5; i++) envoys.envoy(0).chat("only-a");
    envoys.run(200);
    // The filter assumes that the other Envoy sent as many. So three requests on B count as six, one more than the five on A.
    const picks = Array.from({ length: 4 }, () => picked(envoys.envoy(1).chat("m")));
    assert.deepEqual(picks, [B, B, B, A]);
  });

  test("requests in the endpoint's own metrics are not counted again as unseen", () => {
    const pods = (running: number) => ({
      endpoints: [endpoint(A, { running }), endpoint(B)],
      models: [base("m", [A, B]), base("only-a", [A]), base("only-b", [B])],
    });
    const envoys = new Envoys(2, pods(0), { workers: 1 });
    for (let i = 0; i < 4; i++) envoys.envoy(0).chat("only-a");
    envoys.run(200);
    for (let i = 0; i < 60; i++) {
      envoys.advance(50);
      envoys.round(pods(4));
    }
    // A has four requests in all, and its metrics have shown them for long. So five requests on B are more.
    for (let i = 0; i < 5; i++) envoys.envoy(1).chat("only-b");
    envoys.run(200);
    assert.equal(picked(envoys.envoy(1).chat("m")), A);
  });

  test("an Envoy that died is forgotten within 1.5 s and a push", () => {
    const envoys = new Envoys(2, threePods());
    for (let i = 0; i < 3; i++) envoys.envoy(0).chat("lora", i % 2);
    envoys.run(150);
    assert.deepEqual(envoys.seen(1)[A], [0, 3]);
    envoys.cut.add(0);
    envoys.run(1400);
    assert.deepEqual(envoys.seen(1)[A], [0, 3]);
    envoys.run(200);
    assert.deepEqual(envoys.seen(1)[A], [0, 0]);
  });

  test("the counts of a sidecar that died are dropped after 2 s", () => {
    const envoys = new Envoys(2, threePods(), { configuration: { pick: { onStale: "ignore" } } });
    for (let i = 0; i < 3; i++) envoys.envoy(0).chat("lora", i % 2);
    envoys.run(150);
    assert.deepEqual(envoys.seen(1)[A], [0, 3]);
    envoys.advance(1900);
    assert.deepEqual(envoys.seen(1)[A], [0, 3]);
    envoys.advance(300);
    for (const worker of [0, 1]) assert.deepEqual(envoys.seen(1, worker)[A], [0, 0]);
    assert.equal(envoys.envoy(1).gauge("in_flight_elsewhere"), 0);
  });

  test("the requests of a worker whose VM failed leave the others' counts within 1.5 s", () => {
    const envoys = new Envoys(2, threePods());
    envoys.envoy(0).chat("lora", 1);
    envoys.run(150);
    assert.deepEqual(envoys.seen(1)[A], [0, 1]);
    envoys.envoy(0).worker(1).tickDue = undefined;
    envoys.envoy(0).workers.pop();
    envoys.run(1800);
    assert.deepEqual(envoys.seen(1)[A], [0, 0]);
  });

  test("each of three Envoys receives the sum of the other two", () => {
    const envoys = new Envoys(3, threePods());
    for (const i of [0, 1, 2]) for (let n = 0; n <= i; n++) envoys.envoy(i).chat("lora", n % 2);
    envoys.run(200);
    assert.deepEqual(
      [0, 1, 2].map((i) => envoys.seen(i)[A]),
      [
        [1, 5],
        [2, 4],
        [3, 3],
      ],
    );
  });

  test("10,000 requests on two Envoys, a third of them aborted, leave no count anywhere", () => {
    const envoys = new Envoys(2, threePods());
    const next = sequence(5);
    const open: Stream[] = [];
    for (let i = 0; i < 10_000; i++) {
      open.push(envoys.envoy(next(2)).chat("m", next(2)));
      if (open.length > 64) {
        const [stream] = open.splice(next(open.length), 1) as [Stream];
        if (i % 3 === 0) stream.abort();
        else complete(stream, [A, B, C, "9.9.9.9:9"][next(4)] as string);
      }
      if (i % 100 === 0) {
        envoys.advance(50);
        envoys.round();
      }
    }
    for (const stream of open) stream.abort();
    envoys.run(300);
    for (const i of [0, 1]) {
      assert.deepEqual(envoys.seen(i), { [A]: [0, 0], [B]: [0, 0], [C]: [0, 0] });
      assert.equal(envoys.envoy(i).gauge("in_flight_elsewhere"), 0);
      envoys.envoy(i).assertHealthy();
    }
  });
});

describe("prefixes", () => {
  const body = (salt: string) =>
    JSON.stringify({ model: "m", messages: [{ role: "user", content: `${salt} ${"prefix ".repeat(1500)}` }] });
  const send = (gateway: Gateway, salt: string, worker = 0) => {
    const headers = { "content-type": "application/json" };
    return gateway.send({ method: "POST", path: "/v1/chat/completions", headers, body: body(salt) }, worker);
  };
  const tokens = { configuration: { pick: { profile: "tokens" } } };

  test("a report has the prefixes that all workers sent, once: the next report continues where the last report ended", () => {
    const gateway = new Gateway({ workers: 2, ...tokens });
    gateway.feed(threePods());
    const first = send(gateway, "one", 0);
    send(gateway, "two", 1);
    gateway.settle();
    const report = askReport(gateway, 0);
    const records = decodePrefixes(report.prefixes, "prefixes");
    assert.equal(records.length, 2);
    assert.ok(records.some(({ endpoint: hash }) => hash === textHash(picked(first))));
    const cursor = `${report.ring}.${report.end}`;
    assert.equal(askReport(gateway, 0, cursor).prefixes.length, 0);
    send(gateway, "three", 1);
    gateway.settle();
    assert.equal(decodePrefixes(askReport(gateway, 0, cursor).prefixes, "prefixes").length, 1);
    assert.equal(
      decodePrefixes(askReport(gateway, 1, cursor).prefixes, "prefixes").length,
      1,
      "another worker, the same list",
    );
    assert.equal(
      decodePrefixes(askReport(gateway, 1, `1.${report.end}`).prefixes, "prefixes").length,
      3,
      "another list",
    );
  });

  test("a prefix that one Envoy sent to an endpoint attracts the other Envoy's requests", () => {
    const envoys = new Envoys(2, threePods(), tokens);
    for (const salt of ["a", "b", "c", "d", "e", "f"]) {
      const first = send(envoys.envoy(0), salt, 0);
      const pod = picked(first);
      complete(first, pod);
      envoys.run(150);
      for (const worker of [0, 1]) {
        const second = send(envoys.envoy(1), salt, worker);
        assert.equal(picked(second), pod, `${salt} on worker ${worker}`);
        complete(second, pod);
      }
      envoys.run(100);
    }
  });

  test("an idle worker, which ticks every 200 ms, receives the prefixes too", () => {
    const envoys = new Envoys(2, threePods(), tokens);
    envoys.run(1000);
    const first = send(envoys.envoy(0), "idle", 0);
    complete(first, picked(first));
    envoys.run(400);
    for (const worker of [0, 1]) assert.equal(picked(send(envoys.envoy(1), "idle", worker)), picked(first));
  });

  test("a flood of prefixes exceeds neither the limit of memory nor the size of a report", () => {
    const gateway = new Gateway({ workers: 2, ...tokens });
    gateway.feed(threePods());
    let largest = 0;
    for (let i = 0; i < 1500; i++) {
      complete(send(gateway, `${i} ${"x".repeat(20_000)}`, i % 2), A);
      if (i % 20 !== 0) continue;
      gateway.process.advance(20);
      if (i % 200 === 0) gateway.feed(threePods());
      largest = Math.max(largest, askReport(gateway, 0).prefixes.length);
    }
    assert.ok(largest > 32_768 && largest <= 65_536, `${largest}`);
    gateway.assertHealthy();
  });
});

test("a reader answers a push with a report as well, although the headers have left it when the body is whole", () => {
  const gateway = new Gateway({ configuration: { role: "reader" } });
  const snapshot = (version: bigint) => encodeSnapshot({ version, source: 7n, ...threePods() });
  gateway.push(snapshot(1_700_000_000_000_000n));
  const report = pushForReport(gateway, snapshot(1_700_000_000_001_000n));
  assert.equal(report.version, 1_700_000_000_001_000n);
  gateway.assertHealthy();
});
