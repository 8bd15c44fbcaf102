// The reserved path on a real Envoy, on the LLM listener and on a listener of its own: pushes are stored, refused and read back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { DESTINATION_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import {
  counters,
  nextVersion,
  push,
  pushToAll,
  readBack,
  SECRET,
  snapshotOf,
  startGateway,
} from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { type Answer, chat, post, type Sending, send } from "../../testkit/http.ts";

const MALFORMED = new URL("../../protocol/fixtures/malformed/", import.meta.url);

let echo: Echo;
let envoy: TestEnvoy;

around(
  async () => {
    echo = await startEcho("echo-1");
    envoy = await startGateway({
      pools: [{ name: "pool", models: ["m", "other"], endpoints: [echo.address] }],
      snapshotPort: true,
      filter: { snapshot: { staleAfter: "3600s", maxBytes: 65536 } },
    });
  },
  async () => {
    await envoy?.close();
    await echo?.close();
  },
);

const listeners: Record<string, () => string> = {
  "the LLM listener": () => envoy.url,
  "a listener of its own": () => envoy.snapshotUrl ?? "",
};

test("before the first push a read-back is a 404 on both listeners, and its message says why", async () => {
  for (const url of Object.values(listeners)) {
    const answer = await readBack(url());
    assert.equal(answer.status, 404);
    assert.equal(answer.json.error.code, "snapshot_absent");
  }
});

test("a wrong secret, none, or a prefix of the secret is a 401 on both listeners for every path and method", async () => {
  for (const url of Object.values(listeners)) {
    for (const secret of [undefined, "", "wrong", SECRET.slice(0, -1), `${SECRET}x`, SECRET.toUpperCase()]) {
      const headers: Record<string, string> = secret === undefined ? {} : { [SECRET_HEADER]: secret };
      const tries: Sending[] = [
        { method: "POST", path: SNAPSHOT_PATH, headers, body: snapshotOf({ m: { on: [echo] } }) },
        { method: "GET", path: SNAPSHOT_PATH, headers },
        { method: "DELETE", path: SNAPSHOT_PATH, headers },
        { method: "GET", path: "/.pilotfish/other", headers },
      ];
      for (const sending of tries) {
        const answer = await send(url(), sending);
        assert.equal(answer.status, 401, `${sending.method} ${sending.path} with ${secret}`);
        assert.equal(answer.json.error.code, "snapshot_unauthenticated");
        assert.ok(!answer.text.includes(SECRET));
      }
    }
  }
  assert.equal((await readBack(envoy.url)).status, 404, "nothing was stored");
});

for (const [name, url] of Object.entries(listeners)) {
  describe(`on ${name}`, () => {
    const refused = async (what: string, status: number, code: string, sending: Sending): Promise<Answer> => {
      const answer = await send(url(), {
        path: SNAPSHOT_PATH,
        ...sending,
        headers: { [SECRET_HEADER]: SECRET, ...sending.headers },
      });
      assert.equal(answer.status, status, `${what}: ${answer.text}`);
      assert.equal(answer.json.error.code, code, what);
      assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
      return answer;
    };

    test("a push is stored and answered with its version, and a read-back shows its age", async () => {
      const version = nextVersion();
      const pushed = Date.now();
      const answer = await push(
        url(),
        snapshotOf({ m: { on: [echo] }, other: { on: [{ ...echo, waiting: 3, kvUsage: 0.5 }], base: "m" } }, version),
      );
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.json, { version: String(version) });
      for (const from of Object.values(listeners)) {
        const shown = (await readBack(from())).json;
        assert.equal(shown.version, String(version));
        assert.equal(shown.source, "7");
        assert.equal(shown.stale, false);
        assert.ok(shown.ageMs >= 0 && shown.ageMs <= Date.now() - pushed + 1000, `age ${shown.ageMs}`);
        assert.deepEqual(shown.models, [
          { name: "m", kind: "base", base: "m", endpoints: [echo.address] },
          { name: "other", kind: "adapter", base: "m", endpoints: [echo.address] },
        ]);
        const { address, ready, waiting, kvUsage } = shown.endpoints[0];
        assert.deepEqual({ address, ready }, { address: echo.address, ready: true });
        assert.ok(waiting === 0 || waiting === 3);
        assert.ok(kvUsage === 0 || kvUsage === 0.5);
      }
    });

    test("a push in pieces of unknown length is stored too", async () => {
      const bytes = snapshotOf({ m: { on: [echo] } });
      const pieces = Readable.from(
        [bytes.subarray(0, 10), bytes.subarray(10, 100), bytes.subarray(100)].map(Buffer.from),
      );
      const answer = await send(url(), {
        method: "POST",
        path: SNAPSHOT_PATH,
        headers: { [SECRET_HEADER]: SECRET },
        body: pieces,
      });
      assert.equal(answer.status, 200, answer.text);
    });

    test("every malformed snapshot is refused with 400 and a reason, and the stored snapshot stays", async () => {
      await push(url(), snapshotOf({ m: { on: [echo] } }));
      const before = (await readBack(url())).json.version;
      const index = JSON.parse(readFileSync(new URL("index.json", MALFORMED), "utf8")) as {
        file: string;
        wrong: string;
      }[];
      assert.ok(index.length > 20);
      const reasons = new Set<string>();
      for (const { file, wrong } of index) {
        const body = readFileSync(new URL(file, MALFORMED));
        const answer = await refused(wrong, 400, "snapshot_malformed", { method: "POST", body });
        reasons.add(answer.json.error.message);
      }
      assert.ok(reasons.size > 10, "reasons differ");
      assert.equal((await readBack(url())).json.version, before);
    });

    test("the same version again, or an older version, is a 409 with the stored version", async () => {
      const version = nextVersion();
      assert.equal((await push(url(), snapshotOf({ m: { on: [echo] } }, version))).status, 200);
      for (const late of [version, version - 1n, 1n]) {
        const body = snapshotOf({ other: { on: [echo] } }, late);
        const answer = await refused(`version ${late}`, 409, "snapshot_outdated", { method: "POST", body });
        assert.equal(answer.json.version, String(version));
      }
      assert.equal((await readBack(url())).json.version, String(version));
    });

    test("a body over snapshot.maxBytes is a 413, whether its length is declared or not", async () => {
      const body = Buffer.alloc(65537);
      await refused("declared", 413, "snapshot_too_large", { method: "POST", body });
      const pieces = Readable.from(Array.from({ length: 65 }, () => Buffer.alloc(1024)));
      await refused("in pieces", 413, "snapshot_too_large", { method: "POST", body: pieces });
    });

    test("other methods are 405 and other reserved paths 404, and none reaches a pod", async () => {
      const seen = echo.seen.length;
      for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"])
        await refused(method, 405, "method_not_allowed", { method });
      for (const path of ["/.pilotfish/", "/.pilotfish/other", "/.pilotfish/snapshot/", "/.pilotfish/snapshots"]) {
        await refused(path, 404, "not_found", { path });
      }
      await refused("an empty POST", 400, "snapshot_malformed", { method: "POST", headers: { "content-length": "0" } });
      assert.equal(echo.seen.length, seen);
    });

    test("a query changes nothing", async () => {
      const answer = await send(url(), { path: `${SNAPSHOT_PATH}?pretty=1`, headers: { [SECRET_HEADER]: SECRET } });
      assert.equal(answer.status, 200);
    });
  });
}

test("a push on one listener is used for picks on the other", async () => {
  await push(envoy.snapshotUrl ?? "", snapshotOf({ other: { on: [echo] } }));
  await pushToAll(envoy, { other: { on: [echo] } });
  assert.equal((await post(envoy.url, chat("other"))).json.headers[DESTINATION_HEADER], echo.address);
  assert.equal((await post(envoy.url, chat("m"))).json.headers[DESTINATION_HEADER], undefined);
});

test("the snapshot's own listener serves nothing else", async () => {
  const seen = echo.seen.length;
  const answer = await post(envoy.snapshotUrl ?? "", chat("m"));
  assert.equal(answer.status, 404);
  assert.equal(answer.json.error.code, "not_found");
  assert.equal(echo.seen.length, seen);
});

test("each outcome has its counter", async () => {
  const counts = await counters(envoy);
  for (const name of ["stored", "read", "unauthenticated", "malformed", "outdated", "too_large", "other"]) {
    assert.ok((counts.get(`snapshot.${name}`) ?? 0) > 0, name);
  }
  assert.equal(counts.get("snapshot.unauthenticated"), 2 * 6 * 4);
  assert.equal(counts.get("snapshot.outdated"), 2 * 3);
  assert.equal(counts.get("snapshot.too_large"), 2 * 2);
  assert.equal(counts.get("snapshot.endpoints"), 1);
});
