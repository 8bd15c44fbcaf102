// The content of a snapshot: models, adapters, limits, ages and versions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ENDPOINTS, MAX_MODELS } from "../../../protocol/constants.ts";
import { decodeSnapshot } from "../../../protocol/decode.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { Health } from "../../../sidecar/health.ts";
import type { ListedModel, Pod } from "../../../sidecar/pod.ts";
import { podAddress } from "../../../sidecar/pod.ts";
import { parseModels } from "../../../sidecar/scrape/model-list.ts";
import { buildSnapshot, type StaticModels } from "../../../sidecar/snapshot/build.ts";
import { SnapshotSource } from "../../../sidecar/snapshot/source.ts";

const base = (name: string): ListedModel => ({ name, parent: null });
const adapter = (name: string, parent: string): ListedModel => ({ name, parent });
const READING = {
  engine: "vllm",
  waiting: 1,
  running: 2,
  kvUsage: 0.5,
  asleep: false,
  kvBlocks: 10,
  blockTokens: 16,
  adapters: null,
  samples: 3,
  offloadGiB: null,
  cacheBytes: null,
  counters: {},
  malformed: 0,
};

function pod(address: string, models: ListedModel[], fields: Partial<Pod> = {}): Pod {
  const health = new Health(3);
  health.scraped();
  health.modelsRead();
  return {
    address,
    origin: `http://${address}`,
    engine: "vllm",
    health,
    reading: READING,
    scrapedAt: 100,
    models,
    ...fields,
  };
}

const build = (pods: Pod[], fixed: StaticModels = {}) => {
  const built = buildSnapshot(pods, fixed, { version: 5n, source: 6n, now: 140.2 });
  return { ...built, view: decodeSnapshot(encodeSnapshot(built.view)) };
};
const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

test("base models and adapters come from the pods' model lists", () => {
  const { view } = build([pod(B, [base("llama"), adapter("sql", "llama")]), pod(A, [base("llama")])]);
  const listed = (address: string) => ({ address, state: "listed" });
  assert.deepEqual(view.models, [
    { name: "llama", kind: "base", base: "llama", endpoints: [listed(A), listed(B)] },
    { name: "sql", kind: "adapter", base: "llama", endpoints: [listed(B)] },
  ]);
  assert.deepEqual(
    view.endpoints.map((e) => [e.address, e.ready, e.waiting, e.running, e.kvUsage, e.kvBlocks, e.blockTokens]),
    [A, B].map((address) => [address, true, 1, 2, 0.5, 10, 16]),
  );
});

test("each pod has its own state of an adapter, and base models have no state", () => {
  const adapters = { max: 2, running: ["sql", "llama"], waiting: ["tweet"] };
  const models = [base("llama"), adapter("sql", "llama"), adapter("tweet", "llama"), adapter("z", "llama")];
  const { view } = build([pod(A, models, { reading: { ...READING, adapters } })]);
  assert.deepEqual(
    view.models.map((m) => [m.name, m.endpoints[0]?.state]),
    [
      ["llama", "listed"],
      ["sql", "running"],
      ["tweet", "waiting"],
      ["z", "listed"],
    ],
  );
  assert.equal(view.endpoints[0]?.maxLora, 2);
});

test("an adapter has no base if no pod lists the base, or if the base is an adapter", () => {
  const { models } = build([pod(A, [adapter("sql", "gone"), adapter("on-sql", "sql")])]).view;
  assert.deepEqual(
    models.map((m) => m.base),
    [null, null],
  );
});

test("if pods disagree, a base model wins over an adapter of the same name", () => {
  const { view } = build([pod(A, [base("x"), base("y"), adapter("n", "x")]), pod(B, [base("n")])]);
  assert.deepEqual(view.models[0], {
    name: "n",
    kind: "base",
    base: "n",
    endpoints: [
      { address: A, state: "listed" },
      { address: B, state: "listed" },
    ],
  });
});

test("a configured model replaces the same model of pods, and changes no other model", () => {
  const fixed = { llama: { endpoints: [B, "10.9.9.9:80"] }, extra: { base: "llama" } };
  const { view } = build([pod(A, [base("llama"), base("own")]), pod(B, [])], fixed);
  assert.deepEqual(
    view.models.map((m) => [m.name, m.base, m.endpoints.map((e) => e.address)]),
    [
      ["extra", "llama", [A, B]],
      ["llama", "llama", [B]],
      ["own", "own", [A]],
    ],
  );
});

test("the models of a pod that is down stay in the snapshot", () => {
  const down = pod(A, [base("m")]);
  down.health.failed("refused");
  const { view } = build([down]);
  assert.equal(view.endpoints[0]?.ready, false);
  assert.equal(view.models[0]?.endpoints.length, 1);
});

test("ages are rounded up, and unknown signals stay unknown", () => {
  const { view } = build([pod(A, []), pod(B, [], { reading: null, scrapedAt: null })]);
  assert.equal(view.endpoints[0]?.scrapeAgeMs, 41);
  const { waiting, running, kvUsage, scrapeAgeMs, kvBlocks } = view.endpoints[1] ?? {};
  assert.deepEqual([waiting, running, kvUsage, scrapeAgeMs, kvBlocks], [null, null, null, null, null]);
});

test("numbers beyond a field's range are clamped, not refused", () => {
  const reading = { ...READING, waiting: 1e12, running: 1.6, kvUsage: 1.0000001, kvBlocks: 2 ** 40 };
  const endpoint = build([pod(A, [], { reading })]).view.endpoints[0];
  assert.deepEqual([endpoint?.waiting, endpoint?.running, endpoint?.kvUsage], [0xfffffffe, 2, 1]);
});

test("entries that do not fit are left out and counted, whichever pod responded first", () => {
  const models = Array.from({ length: MAX_MODELS + 2 }, (_, i) => base(`m${String(i).padStart(5, "0")}`));
  const { view, dropped } = buildSnapshot([pod(A, models.toReversed())], {}, { version: 1n, source: 1n, now: 200 });
  assert.deepEqual([view.models.length, dropped.models], [MAX_MODELS, 2]);
  assert.equal(view.models.at(-1)?.name, `m0${MAX_MODELS - 1}`);
  const pods = Array.from({ length: MAX_ENDPOINTS + 1 }, (_, i) => pod(`10.0.${i >> 8}.${i & 255}:80`, []));
  assert.equal(buildSnapshot(pods, {}, { version: 1n, source: 1n, now: 200 }).dropped.endpoints, 1);
});

test("versions only rise: with the clock, also when the clock stands or goes back, and above a filter's higher version", () => {
  let now = 0;
  let micros = 1000n;
  const source = new SnapshotSource({
    pods: () => [pod(A, [])],
    fixed: {},
    clock: { now: () => now, epochMicros: () => micros },
    source: 9n,
  });
  const next = () => {
    now += 100;
    return source.make().version;
  };
  assert.equal(next(), 1000n);
  assert.equal(next(), 1001n);
  micros = 500n;
  assert.equal(next(), 1002n);
  source.goPast(5000n);
  assert.equal(next(), 5001n);
  source.goPast(4000n);
  assert.equal(next(), 5002n);
  micros = 9000n;
  assert.equal(next(), 9000n);
});

test("pushes of one moment share a snapshot until a change", () => {
  const source = new SnapshotSource({
    pods: () => [pod(A, [])],
    fixed: {},
    clock: { now: () => 0, epochMicros: () => 7n },
    source: 9n,
  });
  const first = source.make();
  assert.equal(source.make(), first);
  source.changed();
  assert.notEqual(source.make(), first);
});

test("the response of /v1/models is read, and any other body is refused", () => {
  const parse = (json: unknown) => parseModels(Buffer.from(typeof json === "string" ? json : JSON.stringify(json)));
  const data = [{ id: "a", parent: null, root: "/x" }, { id: "b", parent: "a" }, { id: "c" }, { id: "a" }];
  assert.deepEqual(parse({ object: "list", data }).models, [base("a"), adapter("b", "a"), base("c")]);
  const { models, refused } = parse({ data: [{ id: "x\n" }, { id: "" }, { id: "é".repeat(129) }, { id: "ok" }] });
  assert.deepEqual([models.map((m) => m.name), refused.length], [["ok"], 3]);
  for (const bad of ["", "nope", "null", "[]", "{}", '{"data":{}}', '{"data":[{"id":1}]}', '{"data":[null]}']) {
    assert.throws(() => parse(bad), /\/v1\/models: /, bad);
  }
});

test("addresses are written as Envoy prints them", () => {
  assert.equal(podAddress("10.0.0.1", 80), "10.0.0.1:80");
  assert.equal(podAddress("2001:DB8:0:0:0:0:0:1", 80), "[2001:db8::1]:80");
  assert.equal(podAddress("::ffff:1.2.3.4", 80), "[::ffff:1.2.3.4]:80");
});
