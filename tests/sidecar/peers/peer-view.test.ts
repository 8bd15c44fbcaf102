// The view that a sidecar offers to sidecars of other clusters.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { SECRET_HEADER } from "../../../protocol/constants.ts";
import { Peer } from "../../../sidecar/peers/peer.ts";
import { viewOf } from "../../../sidecar/peers/view.ts";
import { SECRET } from "../../../testkit/sidecar/fake-filter.ts";
import { pod } from "../../../testkit/sidecar/read-pod.ts";

describe("a peer", () => {
  const closing: Array<() => Promise<unknown>> = [];
  after(async () => {
    for (const close of closing) await close();
  });

  /** Serves a sidecar's view over HTTP. `answer` makes each response. */
  async function serve(answer: (sums: boolean) => object | number): Promise<string> {
    const server = createServer((request, response) => {
      const known = request.headers[SECRET_HEADER] === SECRET;
      const made = known ? answer(request.url?.endsWith("sums=1") === true) : 401;
      response
        .writeHead(typeof made === "number" ? made : 200)
        .end(typeof made === "number" ? "" : JSON.stringify(made));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    closing.push(() => new Promise((done) => server.close(done)));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function ask(origin: string, mode: "pods" | "gateway", secret = SECRET) {
    let now = 10_000;
    let changed: () => void = () => {};
    const asked = new Promise<void>((done) => {
      changed = done;
    });
    const peer = new Peer(
      {
        origin,
        place: undefined,
        mode,
        gateway: "10.9.0.1:80",
        intervalMs: 60_000,
        staleAfterMs: 2000,
        secrets: { inTurn: () => [secret] },
      },
      {
        clock: { now: () => now, epochMicros: () => 0n },
        log: { debug() {}, info() {}, warn() {}, error() {} } as never,
        changed: () => changed(),
        failed() {},
        measured() {},
      },
    );
    closing.push(() => peer.close());
    peer.start();
    await asked;
    return { peer, wait: (ms: number) => (now += ms) };
  }

  const cluster = { ready: true, draining: false, asleep: false, of: ["InferencePool default/llama"] };
  const pods = [
    pod("10.1.0.1:8000", "llama", { cluster }),
    pod("10.1.0.2:8000", "llama", { cluster }),
    pod("10.1.0.3:8000", "private"),
  ];
  const offer = { place: "us", region: "us-east1", pools: ["llama"] };
  const answer = (sums: boolean) => viewOf(pods, [], offer, 1000, sums);

  test("offers its exported pods, with their true age", async () => {
    const { peer } = await ask(await serve(answer), "pods");
    const got = peer.pods();
    assert.deepEqual(
      got.map(({ address, place }) => [address, place]),
      [
        ["10.1.0.1:8000", "us"],
        ["10.1.0.2:8000", "us"],
      ],
    );
    assert.equal(got[0]?.reading?.running, 4);
    assert.equal(got[0]?.scrapedAt, 10_000 - 100);
    assert.equal(got[0]?.health.ready, true);
    assert.equal(peer.region, "us-east1");
  });

  test("that stops responding gets no more requests, and is forgotten after five minutes", async () => {
    const { peer, wait } = await ask(await serve(answer), "pods");
    wait(1900);
    assert.equal(peer.pods()[0]?.health.ready, true);
    wait(200);
    assert.equal(peer.pods()[0]?.health.ready, false);
    assert.equal(peer.pods()[0]?.models.length, 1);
    wait(300_000);
    assert.deepEqual(peer.pods(), []);
  });

  test("behind a gateway is one pod with the sums of its pods", async () => {
    const { peer } = await ask(await serve(answer), "gateway");
    const [got, ...more] = peer.pods();
    assert.deepEqual(more, []);
    assert.equal(got?.address, "10.9.0.1:80");
    assert.equal(got?.gateway, 2);
    assert.deepEqual([got?.reading?.waiting, got?.reading?.running, got?.reading?.kvUsage], [2, 8, 0.5]);
    assert.deepEqual(got?.models, [{ name: "llama", parent: null }]);
  });

  test("refuses another secret; a view of another version is refused", async () => {
    const { peer } = await ask(await serve(answer), "pods", "another-secret-0123456789");
    assert.deepEqual(peer.pods(), []);
    const { peer: newer } = await ask(await serve((sums) => ({ ...answer(sums), version: 2 })), "pods");
    assert.deepEqual(newer.pods(), []);
  });
});
