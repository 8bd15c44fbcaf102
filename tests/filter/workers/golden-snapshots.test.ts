// Pushes the golden and the malformed fixtures of protocol/ into the filter.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ruleSentence } from "../../../protocol/rules.ts";
import { COUNTERS, GAUGES, Gateway } from "../../../testkit/filter/gateway.ts";

const fixtures = new URL("../../../protocol/fixtures/", import.meta.url);
const bytes = (name: string) => readFileSync(new URL(`${name}.snapshot.bin`, fixtures));

interface Golden {
  version: string;
  source: string;
  endpoints: Record<string, unknown>[];
  models: { name: string; kind: string; base: string | null; endpoints: { address: string }[]; pool?: string }[];
  pools?: object[];
  objectives?: object[];
  rules?: object[];
  tokenizers?: object[];
  remote?: { counts: Record<string, { requests: number }> };
}

/** Returns the part of a fixture's JSON that a read-back shows, in the read-back's shape. */
function shown(golden: Golden, length: number): object {
  const { version, source, pools, objectives, rules, tokenizers } = golden;
  const endpoints = golden.endpoints.map((endpoint) => {
    const { kvBlocks, blockTokens, maxLora, weight, ...rest } = endpoint;
    const elsewhere = golden.remote?.counts[String(endpoint.address)]?.requests ?? 0;
    const costs = ["prefillRate", "stepSeconds", "sequenceSeconds"].filter((key) => key in rest);
    const rounded = Object.fromEntries(costs.map((key) => [key, Number(Number(rest[key]).toFixed(6))]));
    return { ...rest, inFlight: 0, inFlightElsewhere: elsewhere, ...rounded };
  });
  const models = golden.models.map(({ name, kind, base, endpoints: served, pool }) => {
    return {
      name,
      kind,
      base,
      endpoints: served.map((one) => one.address).sort(),
      ...(pool !== undefined && { pool }),
    };
  });
  const objects = JSON.parse(JSON.stringify({ pools, objectives, rules, tokenizers }));
  return { version, source, ageMs: 0, stale: false, bytes: length, endpoints, models, ...objects };
}

test("a read-back has every metric of the filter, of all workers together", () => {
  const gateway = new Gateway({ workers: 2 });
  gateway.push(bytes("small"));
  gateway.settle();
  gateway.read(1);
  const { metrics } = gateway.readAll().json;
  assert.deepEqual(Object.keys(metrics).sort(), [...COUNTERS, ...GAUGES].sort());
  assert.equal(metrics["pilotfish.snapshot.stored"], 1);
  assert.equal(metrics["pilotfish.snapshot.read"], 1, "this read is not counted yet");
  assert.equal(metrics["pilotfish.picked"], 0);
  gateway.assertHealthy();
});

describe("golden snapshots", () => {
  const names = readdirSync(fixtures)
    .filter((name) => name.endsWith(".snapshot.bin"))
    .map((name) => name.replace(".snapshot.bin", ""));

  for (const name of names) {
    test(`${name} is stored and read back as its JSON`, () => {
      const gateway = new Gateway();
      const golden: Golden = JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), "utf8"));
      assert.deepEqual(gateway.push(bytes(name)), { status: 200, json: { version: golden.version } });
      const { status, json } = gateway.read();
      // In a snapshot with places, the endpoints are in the order of their places and not of their addresses.
      for (const model of json.models) model.endpoints.sort();
      assert.deepEqual({ status, json }, { status: 200, json: shown(golden, bytes(name).length) });
      gateway.expectCounters({ "snapshot.stored": 1, "snapshot.read": 1 });
      gateway.assertHealthy();
    });
  }

  test("the fixtures that the README names exist", () => {
    const expected = ["small", "empty", "adapters", "ipv6", "thousand", "unknown", "places", "objects", "future-minor"];
    for (const name of expected) {
      assert.ok(names.includes(name), name);
    }
  });
});

describe("malformed snapshots", () => {
  const index: { file: string; rule: number; code: string; wrong: string }[] = JSON.parse(
    readFileSync(new URL("malformed/index.json", fixtures), "utf8"),
  );

  for (const { file, rule, code, wrong } of index) {
    const name = file.replace(".snapshot.bin", "");
    test(`${name} (${wrong}) is refused whole, and the stored snapshot stays`, () => {
      const gateway = new Gateway();
      gateway.push(bytes("small"));
      const kept = gateway.read().json;
      const { status, json } = gateway.push(bytes(`malformed/${name}`));
      assert.equal(status, 400);
      assert.equal(json.error.code, "snapshot_malformed");
      const refusal = `The push is refused by rule ${rule} (${code}): ${ruleSentence(rule)}.`;
      assert.equal(json.error.message, refusal);
      assert.deepEqual(gateway.read().json, kept);
      gateway.expectCounters({ "snapshot.stored": 1, "snapshot.malformed": 1, "snapshot.read": 2 });
      gateway.assertHealthy();
    });
  }

  for (const name of ["adapters", "objects"]) {
    test(`no byte of a snapshot (${name}) can be changed into one that traps the filter`, () => {
      const good = bytes(name);
      const mutated = new Gateway();
      for (let at = 0; at < good.length; at++) {
        for (const value of [0x00, 0x7f, 0xff]) {
          const bad = Buffer.from(good);
          bad[at] = value;
          const { status } = mutated.push(bad);
          assert.ok(status === 200 || status === 400 || status === 409, `byte ${at} = ${value}: ${status}`);
          if (status === 200) mutated.read();
        }
      }
      mutated.assertHealthy();
    });
  }

  test("no part of a snapshot is accepted as a snapshot", () => {
    const good = bytes("adapters");
    const cut = new Gateway();
    for (let length = 0; length < good.length; length++) {
      const { status, json } = cut.push(good.subarray(0, length));
      assert.equal(status, 400, `${length} bytes`);
      assert.equal(json.error.code, "snapshot_malformed");
    }
    cut.expectCounters({ "snapshot.malformed": good.length });
  });
});
