// Envoys that begin anew get the blocks that endpoints have cached: what the sidecar remembers, and when it pushes it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CachedView, decodeCached } from "../../../protocol/cached.ts";
import { MAX_CACHED_WORDS, PIECE_BYTES, SMALL_PIECE_BYTES } from "../../../protocol/constants.ts";
import type { PrefixRecord } from "../../../protocol/snapshot.ts";
import { encodePrefixes, textHash } from "../../../protocol/traffic.ts";
import { CachedBlocks } from "../../../sidecar/push/cached-blocks.ts";
import { Refills } from "../../../sidecar/push/refills.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import { type FakeFilter, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { startScene } from "../../../testkit/sidecar/scene.ts";
import { until } from "../../../testkit/until.ts";

const [A, B] = ["10.0.0.1:8000", "10.0.0.2:8000"] as const;
const SEED = 0x5eed_0000_0000_0001n;
/** The hash of a block whose key is `key`. */
const hashOf = (key: number) => (0xabcdn << 48n) | (BigInt(key) ^ (SEED & 0xffff_ffff_ffffn));

function record(address: string, keys: number[], fields: Partial<PrefixRecord> = {}): PrefixRecord {
  return { endpoint: textHash(address), seed: SEED, units: 32, number: 0n, blocks: keys.map(hashOf), ...fields };
}

/** Two endpoints, whose caches have room for this many blocks of 32 units. */
const indexOf = (blocks: number, addresses: string[] = [A, B]) =>
  new EndpointIndex(
    addresses,
    addresses.map(() => blocks * 128),
  );

/** Keys of the endpoint's blocks, from the block that was used first; hot blocks are negative. */
function keysOf(parts: readonly Uint8Array[], address: string): number[] {
  return parts
    .flatMap((part) => decodeCached(part, "part").endpoints)
    .filter(({ endpoint }) => endpoint === textHash(address))
    .flatMap(({ blocks }) => blocks.map(({ key, hot }) => (hot ? -Number(key) : Number(key))));
}

function sizesOf(view: CachedView): number[] {
  return view.endpoints.flatMap(({ blocks }) => blocks.map(({ size }) => size));
}

describe("the blocks that endpoints have cached", () => {
  test("a prompt's last block is used first, and a block that is used again is hot and comes last", () => {
    const blocks = new CachedBlocks();
    const index = indexOf(100);
    const records = [record(A, [1, 2, 3]), record(B, [1, 2]), record(A, [1, 4])];
    blocks.use(encodePrefixes(records), PIECE_BYTES, index);
    const parts = blocks.parts(5, index);
    assert.deepEqual(keysOf(parts, A), [3, 2, 4, -1]);
    assert.deepEqual(keysOf(parts, B), [2, 1]);
    assert.equal(blocks.size, 6);
    const { number, part } = decodeCached(parts[0] as Uint8Array, "part");
    assert.deepEqual([number, part], [5n, 0]);
  });

  test("keys have all of their 48 bits", () => {
    const blocks = new CachedBlocks();
    const key = 2 ** 48 - 3;
    blocks.use(encodePrefixes([record(A, [key, 2 ** 47])]), PIECE_BYTES, indexOf(9));
    assert.deepEqual(keysOf(blocks.parts(1, indexOf(9)), A), [2 ** 47, key]);
  });

  test("an endpoint keeps the blocks that it used last, as many tokens as its cache has room for", () => {
    const blocks = new CachedBlocks();
    const index = indexOf(4);
    blocks.use(encodePrefixes([record(A, [1, 2, 3]), record(B, [8, 9])]), PIECE_BYTES, index);
    blocks.use(encodePrefixes([record(A, [4, 5, 6])]), PIECE_BYTES, index);
    const parts = blocks.parts(1, index);
    assert.deepEqual(keysOf(parts, A), [1, 6, 5, 4]);
    assert.deepEqual(keysOf(parts, B), [9, 8]);
    assert.equal(blocks.size, 6);
  });

  test("late blocks of a long prompt have more tokens, except for the scorers' small pieces", () => {
    const keys = Array.from({ length: 130 }, (_, i) => i + 1);
    const large = new CachedBlocks();
    large.use(encodePrefixes([record(A, keys, { units: 3 })]), PIECE_BYTES, indexOf(1e6));
    const sizes = sizesOf(decodeCached(large.parts(1, indexOf(1))[0] as Uint8Array, "part"));
    assert.deepEqual([sizes[0], sizes[2], sizes[65], sizes[66], sizes[129]], [48, 12, 12, 3, 3]);
    const small = new CachedBlocks();
    small.use(encodePrefixes([record(A, keys, { units: 0 })]), SMALL_PIECE_BYTES, indexOf(1e6));
    assert.deepEqual(new Set(sizesOf(decodeCached(small.parts(1, indexOf(1))[0] as Uint8Array, "part"))), new Set([4]));
  });

  test("a refill of many blocks has several parts, each within the limit of a snapshot's section", () => {
    const blocks = new CachedBlocks();
    const index = indexOf(1e9);
    for (let i = 0; i < 300; i++) {
      const keys = Array.from({ length: 256 }, (_, k) => 1 + i * 256 + k);
      blocks.use(encodePrefixes([record(i % 2 ? A : B, keys)]), PIECE_BYTES, index);
    }
    const parts = blocks.parts(1, index);
    assert.equal(parts.length, 3);
    assert.ok(parts.every((part) => part.length <= MAX_CACHED_WORDS * 8));
    assert.deepEqual(
      parts.map((part) => decodeCached(part, "part").part),
      [0, 1, 2],
    );
    const all = [...keysOf(parts, A), ...keysOf(parts, B)].sort((a, b) => a - b);
    assert.deepEqual(
      all,
      Array.from({ length: 300 * 256 }, (_, i) => i + 1),
    );
  });

  test("memory has a limit, and endpoints that the snapshot lacks give way first", () => {
    const blocks = new CachedBlocks();
    const gone = "10.0.0.9:8000";
    const chunk = (address: string, first: number) =>
      encodePrefixes([
        record(
          address,
          Array.from({ length: 250 }, (_, k) => first + k),
          { units: 1 },
        ),
      ]);
    blocks.use(chunk(gone, 1), PIECE_BYTES, indexOf(1e9, [gone]));
    for (let i = 0; i < 2200; i++) blocks.use(chunk(A, 1 + i * 250), PIECE_BYTES, indexOf(1e9));
    assert.equal(blocks.size, 524_288);
    assert.deepEqual(keysOf(blocks.parts(1, indexOf(1, [gone])), gone), []);
    assert.equal(keysOf(blocks.parts(1, indexOf(1)), A).at(-1), 1 + 2199 * 250);
  });
});

describe("which Envoys are refilled", () => {
  const known = () => {
    const blocks = new CachedBlocks();
    const index = indexOf(100);
    blocks.use(encodePrefixes([record(A, [1])]), PIECE_BYTES, index);
    const refills = new Refills(blocks, 40);
    const partAt = (now: number, origin = "one") => {
      const part = refills.partFor(origin, index, now);
      return part && decodeCached(part, "part").number;
    };
    return { blocks, refills, partAt };
  };

  test("a new Envoy gets a refill for 300 ms, and then no more", () => {
    const { refills, partAt } = known();
    refills.reported("one", { instance: 1n, emptied: 2 });
    assert.ok(refills.isRefilling("one"));
    assert.deepEqual(
      [100, 150, 399].map((now) => partAt(now)),
      [41n, 41n, 41n],
    );
    assert.equal(partAt(400), undefined);
    refills.reported("one", { instance: 1n, emptied: 2 });
    assert.ok(!refills.isRefilling("one"));
    assert.equal(partAt(500), undefined);
  });

  test("another instance, another empty index and an Envoy that was away each begin another refill", () => {
    const { refills, partAt } = known();
    refills.reported("one", { instance: 1n, emptied: 2 });
    for (const now of [0, 300]) partAt(now);
    refills.reported("one", { instance: 2n, emptied: 2 });
    assert.equal(partAt(1000), 42n);
    partAt(1300);
    refills.reported("one", { instance: 2n, emptied: 3 });
    assert.equal(partAt(2000), 43n);
    partAt(2300);
    refills.away("one");
    assert.equal(partAt(3000), 44n);
  });

  test("the first push to an Envoy that never reported has a refill", () => {
    const { refills, partAt } = known();
    assert.ok(!refills.isRefilling("one"));
    assert.equal(partAt(0), 41n);
    assert.equal(partAt(300), undefined);
  });

  test("a worker that begins during a refill sees each part for as long as the others", () => {
    const { refills, partAt } = known();
    refills.reported("one", { instance: 1n, emptied: 1 });
    assert.equal(partAt(0), 41n);
    refills.reported("one", { instance: 1n, emptied: 2 });
    for (let now = 290; now < 590; now += 50) assert.equal(partAt(now), 41n, `${now}`);
    assert.equal(partAt(900), undefined);
  });

  test("a sidecar that knows no blocks refills nobody", () => {
    const refills = new Refills(new CachedBlocks(), 1);
    refills.reported("one", { instance: 1n, emptied: 1 });
    refills.away("one");
    assert.ok(!refills.isRefilling("one"));
    assert.equal(refills.partFor("one", indexOf(1), 0), undefined);
  });
});

test("a single Envoy that restarts has the blocks of its endpoint in the first push that it accepts", async (t) => {
  const { pod, hash, filters } = await startScene(t, 1);
  const [filter] = filters;
  filter.prefixes.push({ endpoint: hash, seed: SEED, units: 32, number: 0n, blocks: [hashOf(1), hashOf(2)] });
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("a report", () => filter.prefixes.length === 0 && filter.reportsRead > 1);
  await until("the end of the first refill", () => filter.stored !== undefined && filter.stored.cached === undefined);
  const port = Number(new URL(filter.url).port);
  await filter.close();
  const refused = new RegExp(`pushes_total\\{target="${filter.url}",result="refused"\\} [1-9]`);
  await until("a refused push", async () => refused.test(await (await fetch(`${sidecar.url}/metrics`)).text()));
  const back = await startFilter(port);
  t.after(() => back.close());
  const stored = await until("a snapshot", () => back.stored);
  assert.deepEqual(
    stored.cached?.endpoints.map(({ endpoint, blocks }) => [endpoint, blocks.map(({ key }) => key)]),
    [[hash, [2n, 1n]]],
  );
  await until("the end of the refill", () => back.stored?.cached === undefined);
  back.emptied++;
  await until("a refill of another worker", () => back.stored?.cached);
});

test("an Envoy that joins others is refilled with what they sent", async (t) => {
  const { pod, hash, filters } = await startScene(t, 2);
  const [first, second] = filters as unknown as [FakeFilter, FakeFilter];
  first.prefixes.push({ endpoint: hash, seed: SEED, units: 32, number: 0n, blocks: [hashOf(7)] });
  second.instead = (_request, response) => response.destroy();
  await quickSidecar(t, { endpoints: [pod.url], targets: [first.url, second.url] });
  await until("a report", () => first.prefixes.length === 0 && first.reportsRead > 1);
  second.instead = undefined;
  const cached = await until("a refill", () => second.stored?.cached);
  assert.equal(cached.endpoints[0]?.blocks[0]?.key, 7n);
});
