// The requests that the reserved path accepts, and those that it refuses.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Root } from "../../../emulator/index.ts";
import { SECRET_HEADER, SECRET_NEXT_ENV, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { Gateway, SECRET } from "../../../testkit/filter/gateway.ts";
import { AUTHENTIC, snapshot } from "../support/pushing.ts";

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
      assert.equal(gateway.process.shared.get("pilotfish", "pilotfish.snapshot"), undefined);
      gateway.expectCounters({ "snapshot.unauthenticated": 2 });
    });
  }

  test("a filter without a secret refuses every push, also with an empty header, and names the settings for a secret", () => {
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

  test("a request without the secret learns nothing about which reserved paths exist", () => {
    const gateway = new Gateway();
    for (const path of ["/.pilotfish/", "/.pilotfish/other", SNAPSHOT_PATH]) {
      assert.equal(gateway.control({ method: "GET", path }).status, 401, path);
    }
  });

  test("the secret is in no response and in no log line", () => {
    const gateway = new Gateway();
    const seen: unknown[] = [gateway.push(snapshot(2n)), gateway.push(snapshot(1n)), gateway.read()];
    seen.push(gateway.push(snapshot(1n), { [SECRET_HEADER]: `${SECRET}x` }), gateway.worker().vm.logs);
    assert.doesNotMatch(JSON.stringify(seen), new RegExp(SECRET));
  });
});

describe("two secrets, while one replaces the other", () => {
  const next = "the-next-secret-of-24-chr";
  const status = (gateway: Gateway, secret: string) =>
    gateway.control({ method: "GET", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: secret } }).status;

  test("each secret of a list is accepted, and nothing else is", () => {
    const gateway = new Gateway({ configuration: { snapshot: { secret: [SECRET, next] } } });
    for (const secret of [SECRET, next]) {
      assert.equal(gateway.push(snapshot(BigInt(secret.length)), { [SECRET_HEADER]: secret }).status, 200);
    }
    for (const secret of [`${SECRET},${next}`, SECRET + next, next.slice(1), ""])
      assert.equal(status(gateway, secret), 401);
  });

  test("the environment may name a second secret", () => {
    const gateway = new Gateway({ environment: { [SECRET_NEXT_ENV]: next } });
    assert.deepEqual([status(gateway, SECRET), status(gateway, next), status(gateway, `${next}x`)], [404, 404, 401]);
    const alone = new Gateway({ secret: null, environment: { [SECRET_NEXT_ENV]: next } });
    assert.deepEqual([status(alone, SECRET), status(alone, next)], [401, 404]);
  });

  test("a configuration change removes the old secret and keeps the snapshot", () => {
    const gateway = new Gateway({ configuration: { snapshot: { secret: [SECRET, next] } } });
    gateway.push(snapshot(1n));
    const configuration = JSON.stringify({ snapshot: { secret: next } });
    const root = new Root(gateway.worker().vm, { allowOnHeadersStopIteration: true, configuration });
    gateway.worker().close();
    gateway.workers[0] = root;
    assert.deepEqual([status(gateway, SECRET), status(gateway, next)], [401, 200]);
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

  test("a method other than GET and POST is 405", () => {
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

  test("another path can be configured, and the default path is then 404", () => {
    const gateway = new Gateway({ configuration: { snapshot: { path: "/.pilotfish/mine" } } });
    const push = (path: string) =>
      gateway.control({ method: "POST", path, headers: AUTHENTIC, body: snapshot(1n) }).status;
    assert.deepEqual([push("/.pilotfish/mine"), push(SNAPSHOT_PATH)], [200, 404]);
  });
});

describe("where bodies never come, because Envoy's plugin lacks allow_on_headers_stop_iteration", () => {
  test("a push is refused, and neither the push nor its secret reaches an upstream", () => {
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
