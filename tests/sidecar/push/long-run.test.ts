// Memory of a sidecar that runs for long: of polls, and of the blocks that many endpoints have cached.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { decodeCached } from "../../../protocol/cached.ts";
import { PIECE_BYTES } from "../../../protocol/constants.ts";
import { encodePrefixes, textHash } from "../../../protocol/traffic.ts";
import { encodeReport } from "../../../protocol/traffic-report.ts";
import { CachedBlocks } from "../../../sidecar/push/cached-blocks.ts";
import { ReportReader } from "../../../sidecar/push/report-reader.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";

test("a reader whose polls all take longer than the spacing keeps nothing of the polls before", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const report = {
    version: 1n,
    instance: 3n,
    emptied: 0,
    pieceBytes: 512,
    usesQueues: false,
    ejections: 0,
    ring: 0n,
    end: 0n,
    news: 1,
    collector: 5,
  };
  const body = Buffer.from(
    encodeReport({ ...report, counts: new Map(), sums: new Map(), prefixes: new Uint8Array(0) }),
  );
  let now = 0;
  let polls = 0;
  const envoy = {
    origin: "x",
    report: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      polls++;
      now += 1000;
      return { status: 200, body };
    },
  };
  const reader = new ReportReader(envoy as never, {
    clock: { now: () => now } as never,
    log: { debug() {} } as never,
    random: () => 0.5,
    question: () => ({ poll: { ms: 1000, news: 1, known: 5, collector: 0, envoys: 0 }, spacingMs: 12 }),
    cursor: () => "0.0",
    received() {},
    failed() {},
  });
  const after = async (count: number) => {
    while (polls < count) await new Promise((resolve) => setImmediate(resolve));
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await after(2_000);
  const grown = ((await after(22_000)) - before) / 20_000;
  reader.close();
  assert.ok(grown < 10, `the heap grew by ${Math.round(grown)} bytes with each poll`);
});

test("blocks that an endpoint used just now are remembered, even when the memory is full of older blocks", () => {
  const addresses = Array.from({ length: 200 }, (_, i) => `10.0.0.${i}:8000`);
  const index = new EndpointIndex(
    addresses,
    addresses.map(() => 500_000),
  );
  const blocks = new CachedBlocks();
  for (const [i, address] of addresses.entries())
    for (let prompt = 0; prompt < 16; prompt++) {
      const hashes = Array.from({ length: 256 }, (_, k) => BigInt(1 + k + 256 * (prompt + 16 * i)));
      const record = { endpoint: textHash(address), seed: 0n, units: 1, number: 0n, blocks: hashes };
      blocks.use(encodePrefixes([record]), PIECE_BYTES, index);
    }
  const found = new Map<bigint, number>();
  for (const part of blocks.parts(1, index))
    for (const { endpoint, blocks: some } of decodeCached(part, "part").endpoints)
      found.set(endpoint, (found.get(endpoint) ?? 0) + some.length);
  const without = addresses.filter((address) => !found.has(textHash(address)));
  assert.deepEqual(without.length, 0, `${without.length} of 200 endpoints have no block at all`);
});
