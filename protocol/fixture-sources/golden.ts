// The views of the golden fixtures. generate-fixtures.ts writes the fixtures; a test compares the committed files with the views.
import * as c from "../constants.ts";
import { encodeSnapshot } from "../encode.ts";
import type { EndpointView, ModelView, SnapshotView } from "../snapshot.ts";
import { textHash } from "../traffic.ts";

const SOURCE = 0x1122334455667788n;
const VERSION = 1_700_000_000_000_000n;

function endpoint(address: string, fields: Partial<EndpointView> = {}): EndpointView {
  return {
    address,
    ready: true,
    draining: false,
    asleep: false,
    waiting: 0,
    running: 0,
    kvUsage: 0,
    scrapeAgeMs: 0,
    kvBlocks: 32768,
    blockTokens: 16,
    maxLora: 0,
    ...fields,
  };
}

function base(name: string, addresses: readonly string[]): ModelView {
  return { name, kind: "base", base: name, endpoints: addresses.map((address) => ({ address, state: "listed" })) };
}

function snapshot(version: bigint, endpoints: EndpointView[], models: ModelView[]): SnapshotView {
  return { version, source: SOURCE, endpoints, models };
}

function thousand(): SnapshotView {
  const endpoints = Array.from({ length: 1000 }, (_, i) =>
    endpoint(`10.${20 + Math.floor(i / 250)}.${Math.floor(i / 10) % 25}.${1 + (i % 10)}:8000`, {
      waiting: i % 7,
      running: i % 129,
      // Sixteenths are exact in f32, so the JSON has the same value as the bytes.
      kvUsage: (i % 17) / 16,
      scrapeAgeMs: i % 100,
    }),
  );
  const names = Array.from({ length: 20 }, (_, i) => `org/model-${String(i).padStart(2, "0")}`);
  const models = names.map((name, i) =>
    base(
      name,
      endpoints.filter((_, j) => j % names.length === i).map((e) => e.address),
    ),
  );
  return snapshot(VERSION + 1000n, endpoints, models);
}

/** The views by the name of their fixture. Their lists need no order, because the encoder sorts. */
export const GOLDEN: Readonly<Record<string, SnapshotView>> = {
  empty: snapshot(1n, [], []),
  small: snapshot(
    VERSION,
    [
      endpoint("10.0.0.1:8000", { waiting: 3, running: 12, kvUsage: 0.5, scrapeAgeMs: 40 }),
      endpoint("10.0.0.2:8000", { running: 1, kvUsage: 0.25, scrapeAgeMs: 12 }),
      endpoint("10.0.0.3:8001", { ready: false, scrapeAgeMs: 2500 }),
    ],
    [base("meta/llama", ["10.0.0.1:8000", "10.0.0.2:8000"]), base("qwen", ["10.0.0.3:8001"])],
  ),
  ipv6: snapshot(
    VERSION,
    [endpoint("[2001:db8::1]:8000"), endpoint("[::ffff:10.0.0.9]:65535", { draining: true }), endpoint("127.0.0.1:1")],
    [base("modèle-🐟", ["[2001:db8::1]:8000", "127.0.0.1:1"]), base("modèle-\uffee", ["[::ffff:10.0.0.9]:65535"])],
  ),
  adapters: snapshot(
    VERSION,
    [endpoint("10.0.0.1:8000", { maxLora: 2, waiting: 1 }), endpoint("10.0.0.2:8000", { maxLora: 4, asleep: true })],
    [
      base("llama", ["10.0.0.1:8000", "10.0.0.2:8000"]),
      base("no-pods", []),
      {
        name: "sql-lora",
        kind: "adapter",
        base: "llama",
        endpoints: [
          { address: "10.0.0.2:8000", state: "waiting" },
          { address: "10.0.0.1:8000", state: "running" },
        ],
      },
      {
        name: "tweet-lora",
        kind: "adapter",
        base: "llama",
        endpoints: [{ address: "10.0.0.1:8000", state: "listed" }],
      },
      { name: "orphan", kind: "adapter", base: null, endpoints: [{ address: "10.0.0.2:8000", state: "listed" }] },
    ],
  ),
  unknown: snapshot(
    (1n << 64n) - 1n,
    [
      endpoint("10.0.0.1:8000", {
        ready: false,
        waiting: null,
        running: null,
        kvUsage: null,
        scrapeAgeMs: null,
        kvBlocks: null,
        blockTokens: null,
      }),
      endpoint("10.0.0.2:8000", { waiting: null, kvUsage: null, kvBlocks: null }),
    ],
    [base("m", ["10.0.0.1:8000", "10.0.0.2:8000"])],
  ),
  places: {
    ...snapshot(
      VERSION,
      [
        endpoint("10.0.0.1:8000", { place: "eu-west", kvUsage: 0.5, running: 8 }),
        endpoint("10.0.0.2:8000", { place: "eu-west", weight: 2 }),
        endpoint("10.1.0.1:8000", { place: "us-east" }),
        endpoint("10.9.0.1:80", {
          place: "asia",
          weight: 40,
          gateway: true,
          waiting: 12,
          running: 900,
          kvBlocks: null,
        }),
        endpoint("10.0.0.9:8000"),
      ],
      [
        {
          ...base("llama", ["10.0.0.1:8000", "10.0.0.2:8000", "10.1.0.1:8000", "10.9.0.1:80"]),
          policy: "default/llama",
        },
        { ...base("qwen", ["10.0.0.2:8000", "10.0.0.9:8000"]), policy: "default/qwen" },
        base("plain", ["10.0.0.9:8000"]),
      ],
    ),
    places: [
      { name: "us-east", order: 1, roundTripUs: 80_000, weight: 1 },
      { name: "asia", order: 1, roundTripUs: null, weight: 3 },
      { name: "eu-west", order: 0, roundTripUs: 250, weight: 1 },
    ],
    policies: [
      {
        name: "default/qwen",
        mode: "in-flight",
        target: null,
        mostInFlight: 16,
        timeoutMs: null,
        dryRun: true,
        short: true,
      },
      {
        name: "default/llama",
        mode: "utilization",
        target: 0.625,
        mostInFlight: null,
        timeoutMs: 300_000,
        dryRun: false,
        short: false,
      },
      { name: "order", mode: "order", target: null, mostInFlight: null, timeoutMs: null, dryRun: false, short: false },
    ],
  },
  objects: {
    ...snapshot(
      VERSION,
      [endpoint("10.0.0.1:8000", { pool: "default/llama" }), endpoint("10.0.0.2:8000", { pool: "ml/qwen" })],
      [
        { ...base("llama", ["10.0.0.1:8000"]), pool: "default/llama" },
        { ...base("qwen", ["10.0.0.2:8000"]), pool: "ml/qwen" },
        { ...base("asleep", []), pool: "default/llama" },
      ],
    ),
    pools: [{ name: "ml/qwen" }, { name: "default/llama" }],
    objectives: [
      { name: "batch", priority: -1, pool: "ml/qwen" },
      { name: "batch", priority: -(2 ** 31), pool: "default/llama" },
      { name: "food-review", priority: 10, pool: null },
    ],
    rules: [
      {
        model: "food-review",
        pool: "default/llama",
        priority: null,
        targets: [
          { model: "food-review-1", weight: 9 },
          { model: "food-review-2", weight: 1 },
        ],
      },
      { model: "batch", pool: null, priority: -1, targets: [{ model: "qwen", weight: 0 }] },
      { model: null, pool: "ml/qwen", priority: null, targets: [{ model: "qwen", weight: 1 }] },
    ],
  },
  costs: {
    ...snapshot(
      VERSION,
      // Binary fractions are exact in f32, so the JSON has the same value as the bytes.
      [
        endpoint("10.0.0.1:8000", { prefillRate: 25_000, stepSeconds: 0.0078125, sequenceSeconds: 0.0000457763671875 }),
        endpoint("10.0.0.2:8000", { prefillRate: 3000, stepSeconds: 0.0625 }),
        endpoint("10.0.0.3:8000"),
      ],
      [
        base("qwen", ["10.0.0.3:8000"]),
        base("llama", ["10.0.0.1:8000", "10.0.0.2:8000"]),
        base("plain", ["10.0.0.3:8000"]),
        { name: "lora", kind: "adapter", base: "llama", endpoints: [{ address: "10.0.0.1:8000", state: "listed" }] },
      ],
    ),
    tokenizers: [
      { model: "qwen", tokensPerRequest: 0, tokensPerByte: [0.25, 0.25, 0.25, 0.25, 0.25] },
      { model: "llama", tokensPerRequest: 12.5, tokensPerByte: [0.1875, 0.5, 0.625, 0.375, 0.3125] },
    ],
  },
  thousand: thousand(),
  exchange: {
    ...snapshot(
      VERSION,
      [endpoint("10.0.0.1:8000", { running: 5 }), endpoint("10.0.0.2:8000"), endpoint("10.0.0.3:8000")],
      [base("m", ["10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"])],
    ),
    complete: true,
    remote: {
      envoys: 2,
      counts: {
        "10.0.0.1:8000": { requests: 7, lasted: 5, pending: 4096, sent: 0xfffffff0 },
        "10.0.0.2:8000": { requests: 0, lasted: 0, pending: 0, sent: 0 },
        "10.0.0.3:8000": { requests: 1, lasted: 0, pending: 0, sent: 12 },
      },
    },
    prefixes: [
      { endpoint: textHash("10.0.0.1:8000"), seed: 0x5eedn, units: 32, number: 41n, blocks: [1n, 2n, 3n] },
      { endpoint: textHash("10.9.9.9:8000"), seed: 0x5eedn, units: 0, number: 44n, blocks: [(1n << 64n) - 1n] },
    ],
  },
  refill: {
    ...snapshot(
      VERSION,
      [endpoint("10.0.0.1:8000"), endpoint("10.0.0.2:8000")],
      [base("m", ["10.0.0.1:8000", "10.0.0.2:8000"])],
    ),
    cached: {
      number: 77n,
      part: 3,
      endpoints: [
        {
          endpoint: textHash("10.0.0.1:8000"),
          blocks: [
            { key: 1n, size: 32, hot: false },
            { key: (1n << 48n) - 1n, size: 2032, hot: true },
          ],
        },
        { endpoint: textHash("10.0.0.2:8000"), blocks: [{ key: 2n, size: 1, hot: true }] },
      ],
    },
  },
};

/** The view `small` as a newer minor version could write it, with longer records, an unknown first section and unknown flag bits. */
function futureMinor(): Uint8Array {
  const old = encodeSnapshot(GOLDEN.small as SnapshotView);
  const from = new DataView(old.buffer);
  const body = new Uint8Array(2048);
  const out = new DataView(body.buffer);
  body.set(old.subarray(0, c.HEADER_BYTES));
  out.setUint16(c.HEADER_MINOR, 7, true);
  out.setUint32(c.HEADER_SECTION_COUNT, 5, true);
  let end = c.HEADER_BYTES + 5 * c.DIRECTORY_ENTRY_BYTES;
  const entry = (i: number, kind: number, stride: number, records: number): number => {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES;
    const offset = (end + 7) & ~7;
    out.setUint16(at + c.DIRECTORY_KIND, kind, true);
    out.setUint16(at + c.DIRECTORY_STRIDE, stride, true);
    out.setUint32(at + c.DIRECTORY_OFFSET, offset, true);
    out.setUint32(at + c.DIRECTORY_RECORDS, records, true);
    end = offset + stride * records;
    return offset;
  };
  body.fill(0xaa, entry(0, 900, 3, 5), end);
  for (let i = 0; i < 4; i++) {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES;
    const kind = from.getUint16(at + c.DIRECTORY_KIND, true);
    const stride = from.getUint16(at + c.DIRECTORY_STRIDE, true);
    const source = from.getUint32(at + c.DIRECTORY_OFFSET, true);
    const records = from.getUint32(at + c.DIRECTORY_RECORDS, true);
    const longer = kind === c.SECTION_STRINGS ? 1 : stride + 8;
    const target = entry(i + 1, kind, longer, records);
    if (longer !== 1) body.fill(0xbb, target, end);
    for (let r = 0; r < records; r++) {
      body.set(old.subarray(source + r * stride, source + (r + 1) * stride), target + r * longer);
    }
    if (kind === c.SECTION_ENDPOINTS) out.setUint16(target + c.ENDPOINT_FLAGS, c.ENDPOINT_READY | 0x8000, true);
  }
  out.setUint32(c.HEADER_TOTAL_BYTES, end, true);
  return body.slice(0, end);
}

export function goldenBytes(): Map<string, Uint8Array> {
  const all = new Map(Object.entries(GOLDEN).map(([name, view]) => [name, encodeSnapshot(view)]));
  all.set("future-minor", futureMinor());
  return all;
}
