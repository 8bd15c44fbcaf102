// Pushes by several sidecars, of any version and size, in any number of pieces, to any worker.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Result } from "../../../emulator/codes.ts";
import { Root } from "../../../emulator/index.ts";
import { SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { Gateway, routed, threePods } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { AUTHENTIC, snapshot } from "../support/pushing.ts";

/** Returns a snapshot of about `bytes` bytes. Each of its endpoints takes 64 bytes and an address. */
function large(version: bigint, endpoints: number): Uint8Array {
  const fields = { ...threePods().endpoints[0] };
  const all = Array.from({ length: endpoints }, (_, i) => ({
    ...(fields as SnapshotView["endpoints"][number]),
    address: `10.${i >> 12}.${(i >> 6) & 63}.${i & 63}:8000`,
  }));
  return encodeSnapshot({ version, source: 7n, endpoints: all, models: [] });
}

describe("several sidecars push to one Envoy", () => {
  const from = (source: bigint, version: bigint, complete: boolean) => snapshot(version, { source, complete });
  const source = (gateway: Gateway) => gateway.read().json.source;

  test("two complete views that differ do not take turns: the first keeps its lease while it is pushed", () => {
    const gateway = new Gateway({ workers: 2 });
    for (let i = 0n; i < 40n; i++) {
      assert.equal(gateway.push(from(1n, 100n + 2n * i, true), AUTHENTIC, 0).status, 200);
      const { status, json } = gateway.push(from(2n, 101n + 2n * i, true), AUTHENTIC, 1);
      assert.deepEqual([status, json.error.code], [409, "snapshot_held"]);
      assert.ok(json.heldMs > 0 && json.heldMs <= 1001, `${json.heldMs}`);
      gateway.process.advance(50);
      assert.equal(source(gateway), "1");
    }
    gateway.expectCounters({ "snapshot.stored": 40, "snapshot.held": 40, "snapshot.read": 40 });
  });

  test("the next sidecar takes over a second after the first fell silent, before the snapshot is stale", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    gateway.process.advance(990);
    const refused = gateway.push(from(2n, 200n, true));
    assert.deepEqual([refused.status, refused.json.heldMs], [409, 11]);
    gateway.process.advance(11);
    assert.equal(gateway.read().json.stale, false);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
    assert.equal(gateway.push(from(1n, 300n, true)).status, 409, "and keeps it");
  });

  test("a complete view replaces an incomplete one at once, and never the other way round", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, false));
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
    for (const complete of [false, true]) assert.equal(gateway.push(from(1n, 300n, complete)).status, 409);
    assert.equal(source(gateway), "2");
  });

  test("a sidecar that has just started, with half a view, does not replace a complete one", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    for (let i = 0n; i < 100n; i++) {
      gateway.process.advance(50);
      gateway.push(from(1n, 200n + i * 10n, true));
      assert.equal(gateway.push(from(2n, 205n + i * 10n, false)).status, 409);
      assert.equal(source(gateway), "1");
    }
  });

  test("a sidecar whose view became incomplete loses its lease to a complete one", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    assert.equal(gateway.push(from(2n, 110n, true)).status, 409);
    assert.equal(gateway.push(from(1n, 120n, false)).status, 200, "its own pushes are taken all the same");
    assert.equal(gateway.push(from(2n, 130n, true)).status, 200);
  });

  test("a short stale limit shortens the lease", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "400ms" } } });
    gateway.push(from(1n, 100n, true));
    gateway.process.advance(150);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 409);
    gateway.process.advance(50);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
  });

  test("a sidecar that takes over has to exceed the stored version", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, false));
    const { status, json } = gateway.push(from(2n, 90n, true));
    assert.deepEqual([status, json.error.code, json.version], [409, "snapshot_outdated", "100"]);
    assert.equal(gateway.push(from(2n, 101n, true)).status, 200);
  });
});

describe("versions", () => {
  test("a version that is not above the stored one is 409, and the response has the stored version", () => {
    const gateway = new Gateway();
    assert.equal(gateway.push(snapshot(20n)).status, 200);
    for (const version of [20n, 19n, 1n]) {
      const { status, json } = gateway.push(snapshot(version, { models: [] }));
      assert.equal(status, 409);
      assert.equal(json.error.code, "snapshot_outdated");
      assert.equal(json.version, "20");
    }
    assert.equal(gateway.read().json.models.length, 2, "the stored one stays");
    assert.equal(gateway.push(snapshot(21n)).status, 200);
    gateway.expectCounters({ "snapshot.stored": 2, "snapshot.outdated": 3, "snapshot.read": 1 });
  });

  test("versions are compared as unsigned 64-bit numbers", () => {
    const gateway = new Gateway();
    const highest = (1n << 64n) - 1n;
    assert.equal(gateway.push(snapshot((1n << 63n) - 1n)).status, 200);
    assert.equal(gateway.push(snapshot(1n << 63n)).status, 200);
    assert.equal(gateway.push(snapshot(highest)).status, 200);
    assert.equal(gateway.push(snapshot(1n << 63n)).json.version, String(highest));
  });

  test("once the stored snapshot is stale, any version is accepted", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "500ms" } } });
    gateway.push(snapshot(1_000_000n));
    gateway.process.advance(499);
    assert.equal(gateway.push(snapshot(5n)).status, 409);
    gateway.process.advance(1);
    assert.equal(gateway.push(snapshot(5n)).status, 200);
    assert.equal(gateway.read().json.version, "5");
  });

  test("a refused push does not renew the stored snapshot", () => {
    const gateway = new Gateway();
    gateway.push(snapshot(9n));
    gateway.process.advance(1500);
    gateway.push(snapshot(9n));
    assert.equal(gateway.read().json.ageMs, 1500);
    gateway.process.advance(501);
    assert.equal(gateway.read().json.stale, true);
  });
});

describe("sizes", () => {
  const small = { configuration: { snapshot: { maxBytes: 4096 } } };

  test("a content-length over the limit is 413 before the body comes", () => {
    const gateway = new Gateway(small);
    const stream = gateway.stream();
    const headers = { ":method": "POST", ":path": SNAPSHOT_PATH, ...AUTHENTIC, "content-length": "4097" };
    const { localResponse } = stream.sendHeaders(headers);
    assert.equal(localResponse?.status, 413);
    const { error } = JSON.parse(String(localResponse?.body));
    assert.equal(error.code, "snapshot_too_large");
    assert.match(error.message, /snapshot\.maxBytes, 4096 bytes/);
    gateway.expectCounters({ "snapshot.too_large": 1 });
  });

  for (const length of ["4294967296", "18446744073709551616", "99999999999999999999999"]) {
    test(`a content-length of ${length} does not wrap around to a small one`, () => {
      const gateway = new Gateway(small);
      const headers = { ":method": "POST", ":path": SNAPSHOT_PATH, ...AUTHENTIC, "content-length": length };
      assert.equal(gateway.stream().sendHeaders(headers).localResponse?.status, 413);
    });
  }

  test("a body that grows over the limit is 413 with the piece that exceeds it", () => {
    const gateway = new Gateway(small);
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": SNAPSHOT_PATH, ...AUTHENTIC });
    assert.equal(stream.sendBody(Buffer.alloc(4096)).localResponse, undefined);
    assert.equal(stream.sendBody(Buffer.alloc(1)).localResponse?.status, 413);
    stream.finish();
    gateway.expectCounters({ "snapshot.too_large": 1 });
  });

  test("a snapshot of exactly the limit is accepted, and one byte more is not", () => {
    const gateway = new Gateway();
    const limit = 1024 * 1024;
    assert.equal(gateway.push(Buffer.alloc(limit)).status, 400);
    assert.equal(gateway.push(Buffer.alloc(limit + 1)).status, 413);
    gateway.expectCounters({ "snapshot.malformed": 1, "snapshot.too_large": 1 });
  });

  test("10,240 endpoints are stored, followed by every worker and read back", () => {
    const gateway = new Gateway({ workers: 2 });
    assert.equal(gateway.push(large(1n, 10240)).status, 200);
    gateway.settle();
    for (const worker of [0, 1]) assert.equal(gateway.read(worker).json.endpoints.length, 10240);
    assert.equal(gateway.gauge("snapshot.endpoints"), 10240);
    gateway.assertHealthy();
  });

  test("a read-back that is too large for JSON is an error, and the snapshot is used all the same", () => {
    const gateway = new Gateway();
    const endpoints = threePods().endpoints;
    const addresses = endpoints.map(({ address }) => ({ address, state: "listed" as const }));
    const models = Array.from({ length: 4096 }, (_, i) => {
      const name = `${'"'.repeat(180)}${String(i).padStart(4, "0")}`;
      return { name, kind: "base" as const, base: name, endpoints: addresses };
    });
    assert.equal(gateway.push(snapshot(1n, { endpoints, models })).status, 200);
    const { status, json } = gateway.read();
    assert.deepEqual([status, json.error.code], [500, "snapshot_too_large_to_show"]);
    const name = models[4095]?.name ?? "";
    assert.notEqual(routed(gateway.chat(name).outcome).destination, undefined);
    gateway.expectCounters({ "snapshot.stored": 1, "snapshot.other": 1, requests: 1, picked: 1 });
  });
});

describe("how a body may come", () => {
  const bytes = snapshot(1n);
  const chunks = (size: number) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const ways = [
    ["one byte at a time", { chunks: chunks(1) }],
    ["in pieces of 100 bytes and an empty end", { chunks: chunks(100), emptyEnd: true }],
    ["with trailers", { chunks: chunks(100), trailers: { "x-sum": "1" } }],
    ["in one piece and an empty end", { chunks: [bytes], emptyEnd: true }],
    ["in one piece and trailers", { chunks: [bytes], trailers: { "x-sum": "1" } }],
  ] as const;
  for (const [way, input] of ways) {
    test(`a push ${way} is stored`, () => {
      const gateway = new Gateway();
      const control = { ...input, chunks: [...input.chunks], method: "POST", path: SNAPSHOT_PATH, headers: AUTHENTIC };
      assert.deepEqual(gateway.control(control), { status: 200, json: { version: "1" } });
      assert.equal(gateway.read().json.endpoints.length, 3);
      gateway.expectCounters({ "snapshot.stored": 1, "snapshot.read": 1 });
      gateway.assertHealthy();
    });
  }

  test("an aborted push stores nothing and leaves nothing open", () => {
    const gateway = new Gateway();
    for (let i = 0; i < 1000; i++) {
      const stream = gateway.stream();
      stream.sendHeaders({ ":method": "POST", ":path": SNAPSHOT_PATH, ...AUTHENTIC });
      stream.sendBody(bytes.subarray(0, 100));
      stream.abort();
    }
    gateway.settle();
    assert.equal(gateway.process.shared.get("pilotfish", "pilotfish.snapshot"), undefined);
    gateway.expectCounters({});
    assert.equal(gateway.push(bytes).status, 200);
  });
});

describe("workers", () => {
  test("a push that other workers overtake 127 times is stored at the 128th attempt", () => {
    const gateway = new Gateway();
    const { shared } = gateway.process;
    gateway.feed(threePods());
    const write = shared.set.bind(shared);
    let overtaken = 0;
    shared.set = (vmId, key, value, cas) => {
      if (key !== "pilotfish.snapshot" || overtaken === 127) return write(vmId, key, value, cas);
      overtaken++;
      return Result.CasMismatch;
    };
    gateway.feed(threePods());
    assert.equal(overtaken, 127);
    gateway.expectCounters({ "snapshot.stored": 2 });
  });

  test("a snapshot that one worker received is used by a busy one from its next tick on", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.chat("m", 1);
    gateway.push(snapshot(1n), AUTHENTIC, 0);
    assert.notEqual(routed(gateway.chat("m", 0).outcome).destination, undefined, "at once where it was pushed");
    assert.equal(routed(gateway.chat("m", 1).outcome).destination, undefined, "not before the tick");
    gateway.process.advance(20);
    assert.notEqual(routed(gateway.chat("m", 1).outcome).destination, undefined);
    gateway.expectCounters({ "snapshot.stored": 1, requests: 4, picked: 2, no_snapshot: 2 });
  });

  test("the order of versions holds on all workers", () => {
    const gateway = new Gateway({ workers: 2 });
    assert.equal(gateway.push(snapshot(2n), AUTHENTIC, 0).status, 200);
    assert.equal(gateway.push(snapshot(1n), AUTHENTIC, 1).status, 409);
    assert.equal(gateway.push(snapshot(3n), AUTHENTIC, 1).status, 200);
    assert.equal(gateway.read(0).json.version, "3", "a read-back looks before it answers");
    assert.equal(gateway.push(snapshot(4n), AUTHENTIC, 1).status, 200);
    assert.equal(gateway.read(0).json.version, "4", "also within a tick of the last look");
    assert.equal(gateway.push(snapshot(5n), AUTHENTIC, 1).status, 200);
    assert.equal(askReport(gateway, 0).version, 5n, "a report looks, too");
  });

  test("a worker that starts later uses the stored snapshot, with its true age", () => {
    const gateway = new Gateway();
    gateway.push(snapshot(1n));
    gateway.process.advance(900);
    gateway.startWorker();
    gateway.process.advance(20);
    assert.equal(gateway.read(1).json.ageMs, 920);
    assert.notEqual(routed(gateway.chat("m", 1).outcome).destination, undefined);
  });

  test("a worker that answers read-backs without a pause still ticks", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.push(snapshot(1n), AUTHENTIC, 0);
    const open = gateway.chat("m", 0);
    for (let i = 0; i < 20; i++) {
      gateway.process.advance(5);
      gateway.read(0);
    }
    const received = Object.values(gateway.inFlight(1)).reduce((sum, count) => sum + count, 0);
    assert.equal(received, 1, "the other worker received the count");
    open.abort();
  });

  test("a clock that steps back neither traps nor ages the snapshot", () => {
    const gateway = new Gateway();
    gateway.push(snapshot(1n));
    gateway.process.now -= 3_600_000_000_000n;
    gateway.worker().tick();
    assert.equal(gateway.read().json.ageMs, 0);
    assert.notEqual(routed(gateway.chat("m").outcome).destination, undefined);
    gateway.assertHealthy();
  });

  test("a configuration change keeps the snapshot", () => {
    const gateway = new Gateway();
    gateway.push(snapshot(1n));
    const next = new Root(gateway.worker().vm, { allowOnHeadersStopIteration: true });
    gateway.worker().close();
    gateway.workers[0] = next;
    assert.equal(gateway.read().json.version, "1");
    assert.notEqual(routed(gateway.chat("m").outcome).destination, undefined);
  });
});
