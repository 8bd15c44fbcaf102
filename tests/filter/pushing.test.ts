// The reserved path as a sidecar, an operator and a stranger use it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SECRET_HEADER, SECRET_NEXT_ENV, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { SnapshotView } from "../../protocol/snapshot.ts";
import { Gateway, routed, SECRET, threePods } from "./gateway.ts";

const AUTHENTIC = { [SECRET_HEADER]: SECRET };

function snapshot(version: bigint, view: Partial<SnapshotView> = {}): Uint8Array {
  return encodeSnapshot({ version, source: 7n, ...threePods(), ...view });
}

/** A snapshot of about `bytes`: endpoints of 64 bytes and an address each. */
function large(version: bigint, endpoints: number): Uint8Array {
  const fields = { ...threePods().endpoints[0] };
  const all = Array.from({ length: endpoints }, (_, i) => ({
    ...(fields as SnapshotView["endpoints"][number]),
    address: `10.${i >> 12}.${(i >> 6) & 63}.${i & 63}:8000`,
  }));
  return encodeSnapshot({ version, source: 7n, endpoints: all, models: [] });
}

describe("authentication", () => {
  const almost = `${SECRET.slice(0, -1)}T`;
  const wrong: [string, Record<string, string>][] = [
    ["no secret", {}],
    ["an empty one", { [SECRET_HEADER]: "" }],
    ["one of another length", { [SECRET_HEADER]: "short" }],
    ["one that is the right one's beginning", { [SECRET_HEADER]: SECRET.slice(0, -1) }],
    ["one that begins with the right one", { [SECRET_HEADER]: `${SECRET}${SECRET}` }],
    ["one whose last byte differs", { [SECRET_HEADER]: almost }],
    ["one whose first byte differs", { [SECRET_HEADER]: `1${SECRET.slice(1)}` }],
  ];
  for (const [what, headers] of wrong) {
    test(`${what} is refused with 401, for a push and for a read-back, and stores nothing`, () => {
      const gateway = new Gateway();
      const push = gateway.push(snapshot(1n), headers);
      const read = gateway.control({ method: "GET", path: SNAPSHOT_PATH, headers });
      for (const { status, json } of [push, read]) {
        assert.equal(status, 401);
        assert.equal(json.error.code, "snapshot_unauthenticated");
        assert.match(json.error.message, /x-pilotfish-secret is missing, or is not the filter's secret/);
      }
      assert.deepEqual(gateway.process.sharedKeys("pilotfish"), []);
      gateway.expectCounters({ "snapshot.unauthenticated": 2 });
    });
  }

  test("a filter without a secret refuses every push, also with an empty header, and says what to set", () => {
    const gateway = new Gateway({ secret: null });
    for (const headers of [{}, { [SECRET_HEADER]: "" }, AUTHENTIC]) {
      const { status, json } = gateway.push(snapshot(1n), headers);
      assert.equal(status, 401);
      assert.match(json.error.message, /PILOTFISH_SECRET/);
    }
    assert.match(
      gateway
        .worker()
        .vm.logs.map((line) => line.text)
        .join(),
      /no secret: set PILOTFISH_SECRET/,
    );
    gateway.expectCounters({ "snapshot.unauthenticated": 3 });
  });

  test("the configuration's secret wins over the environment's", () => {
    const gateway = new Gateway({ configuration: { snapshot: { secret: "another-secret-of-24-chr" } } });
    assert.equal(gateway.push(snapshot(1n)).status, 401);
    assert.equal(gateway.push(snapshot(1n), { [SECRET_HEADER]: "another-secret-of-24-chr" }).status, 200);
  });

  test("whoever lacks the secret is not told which reserved paths exist", () => {
    const gateway = new Gateway();
    for (const path of ["/.pilotfish/", "/.pilotfish/other", SNAPSHOT_PATH]) {
      assert.equal(gateway.control({ method: "GET", path }).status, 401, path);
    }
  });

  test("the secret is in no answer and in no log", () => {
    const gateway = new Gateway();
    const said: unknown[] = [gateway.push(snapshot(2n)), gateway.push(snapshot(1n)), gateway.read()];
    said.push(gateway.push(snapshot(1n), { [SECRET_HEADER]: `${SECRET}x` }), gateway.worker().vm.logs);
    assert.doesNotMatch(JSON.stringify(said), new RegExp(SECRET));
  });
});

describe("two secrets, while the one takes the other's place", () => {
  const next = "the-next-secret-of-24-chr";
  const status = (gateway: Gateway, secret: string) =>
    gateway.control({ method: "GET", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: secret } }).status;

  test("each of a list is the secret, and nothing else is", () => {
    const gateway = new Gateway({ configuration: { snapshot: { secret: [SECRET, next] } } });
    for (const secret of [SECRET, next]) {
      assert.equal(gateway.push(snapshot(BigInt(secret.length)), { [SECRET_HEADER]: secret }).status, 200);
    }
    for (const secret of [`${SECRET},${next}`, SECRET + next, next.slice(1), ""])
      assert.equal(status(gateway, secret), 401);
  });

  test("the environment may name a second one", () => {
    const gateway = new Gateway({ environment: { [SECRET_NEXT_ENV]: next } });
    assert.deepEqual([status(gateway, SECRET), status(gateway, next), status(gateway, `${next}x`)], [404, 404, 401]);
    const alone = new Gateway({ secret: null, environment: { [SECRET_NEXT_ENV]: next } });
    assert.deepEqual([status(alone, SECRET), status(alone, next)], [401, 404]);
  });

  test("a configuration change takes the old one away without touching the snapshot", () => {
    const gateway = new Gateway({ configuration: { snapshot: { secret: [SECRET, next] } } });
    gateway.push(snapshot(1n));
    const configuration = JSON.stringify({ snapshot: { secret: next } });
    const root = gateway.worker().vm.createRoot({ allowOnHeadersStopIteration: true, configuration });
    gateway.worker().close();
    gateway.workers[0] = root;
    assert.deepEqual([status(gateway, SECRET), status(gateway, next)], [401, 200]);
  });
});

describe("several sidecars push to one Envoy", () => {
  const from = (source: bigint, version: bigint, complete: boolean) => snapshot(version, { source, complete });
  const source = (gateway: Gateway) => gateway.read().json.source;

  test("two complete views that differ do not take turns: the first stays while it is pushed", () => {
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

  test("the next one takes over a second after the first fell silent, before the snapshot is stale", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    gateway.process.advance(990);
    const held = gateway.push(from(2n, 200n, true));
    assert.deepEqual([held.status, held.json.heldMs], [409, 11]);
    gateway.process.advance(11);
    assert.equal(gateway.read().json.stale, false);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
    assert.equal(gateway.push(from(1n, 300n, true)).status, 409, "and keeps it");
  });

  test("a complete view takes the place of an incomplete one at once; the other way round never", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, false));
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
    for (const complete of [false, true]) assert.equal(gateway.push(from(1n, 300n, complete)).status, 409);
    assert.equal(source(gateway), "2");
  });

  test("one that has just started and knows half of it does not push a complete one away", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    for (let i = 0n; i < 100n; i++) {
      gateway.process.advance(50);
      gateway.push(from(1n, 200n + i * 10n, true));
      assert.equal(gateway.push(from(2n, 205n + i * 10n, false)).status, 409);
      assert.equal(source(gateway), "1");
    }
  });

  test("one whose view went bad gives way: incomplete while another is complete", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, true));
    assert.equal(gateway.push(from(2n, 110n, true)).status, 409);
    assert.equal(gateway.push(from(1n, 120n, false)).status, 200, "its own pushes are taken all the same");
    assert.equal(gateway.push(from(2n, 130n, true)).status, 200);
  });

  test("a short stale limit shortens what a sidecar keeps the others off", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "400ms" } } });
    gateway.push(from(1n, 100n, true));
    gateway.process.advance(150);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 409);
    gateway.process.advance(50);
    assert.equal(gateway.push(from(2n, 200n, true)).status, 200);
  });

  test("one that takes over has to go past the version that is stored", () => {
    const gateway = new Gateway();
    gateway.push(from(1n, 100n, false));
    const { status, json } = gateway.push(from(2n, 90n, true));
    assert.deepEqual([status, json.error.code, json.version], [409, "snapshot_outdated", "100"]);
    assert.equal(gateway.push(from(2n, 101n, true)).status, 200);
  });
});

describe("paths and methods", () => {
  test("another reserved path is 404, with and without a body, and never goes upstream", () => {
    const gateway = new Gateway();
    for (const path of ["/.pilotfish/", "/.pilotfish/snapshots", "/.pilotfish/snapshot/", "/.pilotfish/x?y"]) {
      const answer = gateway.control({ method: "POST", path, headers: AUTHENTIC, body: "{}" });
      assert.equal(answer.status, 404, path);
      assert.equal(answer.json.error.code, "not_found");
      assert.equal(gateway.control({ method: "GET", path, headers: AUTHENTIC }).status, 404, path);
    }
    gateway.expectCounters({ "snapshot.other": 8 });
  });

  test("a query does not hide the reserved path", () => {
    const gateway = new Gateway();
    const input = { method: "POST", path: `${SNAPSHOT_PATH}?from=a`, headers: AUTHENTIC, body: snapshot(1n) };
    assert.equal(gateway.control(input).status, 200);
  });

  test("neither GET nor POST is 405", () => {
    const gateway = new Gateway();
    for (const method of ["PUT", "DELETE", "HEAD", "PATCH", "get", "POSTER"]) {
      const { status, json } = gateway.control({ method, path: SNAPSHOT_PATH, headers: AUTHENTIC });
      assert.equal(status, 405, method);
      assert.equal(json.error.code, "method_not_allowed");
    }
    gateway.expectCounters({ "snapshot.other": 6 });
  });

  test("a path that only looks like the reserved one goes upstream", () => {
    const gateway = new Gateway();
    for (const path of ["/.pilotfish", "/.pilotfishes/snapshot", "/v1/.pilotfish/snapshot"]) {
      assert.equal(gateway.send({ method: "GET", path, headers: AUTHENTIC }).outcome.action, "continue", path);
    }
    gateway.expectCounters({ requests: 3, no_body: 3 });
  });

  test("a GET before the first push is 404 snapshot_absent", () => {
    const gateway = new Gateway();
    const { status, json } = gateway.read();
    assert.equal(status, 404);
    assert.equal(json.error.code, "snapshot_absent");
    gateway.expectCounters({ "snapshot.other": 1 });
  });

  test("a POST without a body is 400", () => {
    const gateway = new Gateway();
    const { status, json } = gateway.control({ method: "POST", path: SNAPSHOT_PATH, headers: AUTHENTIC });
    assert.equal(status, 400);
    assert.equal(json.error.code, "snapshot_malformed");
    gateway.expectCounters({ "snapshot.malformed": 1 });
  });

  test("a path of one's own can be configured, and the default one is then 404", () => {
    const gateway = new Gateway({ configuration: { snapshot: { path: "/.pilotfish/mine" } } });
    const push = (path: string) =>
      gateway.control({ method: "POST", path, headers: AUTHENTIC, body: snapshot(1n) }).status;
    assert.deepEqual([push("/.pilotfish/mine"), push(SNAPSHOT_PATH)], [200, 404]);
  });
});

describe("versions", () => {
  test("a version that is not above the stored one is 409, with the stored one beside the error", () => {
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

  test("once the stored one is stale, any version is taken", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "500ms" } } });
    gateway.push(snapshot(1_000_000n));
    gateway.process.advance(499);
    assert.equal(gateway.push(snapshot(5n)).status, 409);
    gateway.process.advance(1);
    assert.equal(gateway.push(snapshot(5n)).status, 200);
    assert.equal(gateway.read().json.version, "5");
  });

  test("an answer that refuses does not make the stored one younger", () => {
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

  test("a content-length over the limit is 413 before any of the body", () => {
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

  test("a body that grows over the limit is 413 with the piece that passes it", () => {
    const gateway = new Gateway(small);
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": SNAPSHOT_PATH, ...AUTHENTIC });
    assert.equal(stream.sendBody(Buffer.alloc(4096)).localResponse, undefined);
    assert.equal(stream.sendBody(Buffer.alloc(1)).localResponse?.status, 413);
    stream.finish();
    gateway.expectCounters({ "snapshot.too_large": 1 });
  });

  test("a snapshot of exactly the limit is read, one byte more is not", () => {
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

  test("what is too large to be shown as JSON says so, and is used all the same", () => {
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
    assert.deepEqual(gateway.process.sharedKeys("pilotfish"), []);
    gateway.expectCounters({});
    assert.equal(gateway.push(bytes).status, 200);
  });
});

describe("where bodies never come, because Envoy's plugin lacks allow_on_headers_stop_iteration", () => {
  test("a push is answered with an error, and neither it nor its secret reaches an upstream", () => {
    const gateway = new Gateway({ bodies: false });
    for (let i = 0; i < 2; i++) {
      const stream = gateway.stream();
      stream.properties.set("request.total_size", 100_000);
      stream.send({ method: "POST", path: SNAPSHOT_PATH, headers: AUTHENTIC, body: snapshot(1n) });
      gateway.process.advance(600);
      assert.equal(stream.outcome.requestHeaders, undefined);
      assert.equal(stream.outcome.localResponse?.status, 500);
      assert.match(String(stream.outcome.localResponse?.body), /allow_on_headers_stop_iteration/);
    }
  });
});

describe("workers", () => {
  test("what one worker was pushed, another uses from its next tick on", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.push(snapshot(1n), AUTHENTIC, 0);
    assert.notEqual(routed(gateway.chat("m", 0).outcome).destination, undefined, "at once where it was pushed");
    assert.equal(routed(gateway.chat("m", 1).outcome).destination, undefined, "not before the tick");
    gateway.process.advance(20);
    assert.notEqual(routed(gateway.chat("m", 1).outcome).destination, undefined);
    gateway.expectCounters({ "snapshot.stored": 1, requests: 3, picked: 2, no_snapshot: 1 });
  });

  test("the order of versions holds over workers", () => {
    const gateway = new Gateway({ workers: 2 });
    assert.equal(gateway.push(snapshot(2n), AUTHENTIC, 0).status, 200);
    assert.equal(gateway.push(snapshot(1n), AUTHENTIC, 1).status, 409);
    assert.equal(gateway.push(snapshot(3n), AUTHENTIC, 1).status, 200);
    assert.equal(gateway.read(0).json.version, "3", "a read-back looks before it answers");
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

  test("a worker that is read back without a pause still ticks", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.push(snapshot(1n), AUTHENTIC, 0);
    const held = gateway.chat("m", 0);
    for (let i = 0; i < 20; i++) {
      gateway.process.advance(5);
      gateway.read(0);
    }
    const told = Object.values(gateway.inFlight(1)).reduce((sum, count) => sum + count, 0);
    assert.equal(told, 1, "the other worker was told of the request");
    held.abort();
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
    const next = gateway.worker().vm.createRoot({ allowOnHeadersStopIteration: true });
    gateway.worker().close();
    gateway.workers[0] = next;
    assert.equal(gateway.read().json.version, "1");
    assert.notEqual(routed(gateway.chat("m").outcome).destination, undefined);
  });
});
