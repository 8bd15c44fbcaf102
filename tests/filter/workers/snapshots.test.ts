// What the filter makes of the golden and the malformed fixtures of protocol/.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
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
  remote?: { counts: Record<string, { requests: number }> };
}

/** What the filter keeps of a fixture's JSON, in the shape that it reads back. */
function shown(golden: Golden, length: number): object {
  const { version, source, pools, objectives, rules } = golden;
  const endpoints = golden.endpoints.map((endpoint) => {
    const { kvBlocks, blockTokens, maxLora, weight, ...rest } = endpoint;
    const elsewhere = golden.remote?.counts[String(endpoint.address)]?.requests ?? 0;
    return { ...rest, inFlight: 0, inFlightElsewhere: elsewhere };
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
  const objects = JSON.parse(JSON.stringify({ pools, objectives, rules }));
  return { version, source, ageMs: 0, stale: false, bytes: length, endpoints, models, ...objects };
}

test("a read-back says every metric of the filter, over all workers", () => {
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
    test(`${name} is stored and read back as its JSON says`, () => {
      const gateway = new Gateway();
      const golden: Golden = JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), "utf8"));
      assert.deepEqual(gateway.push(bytes(name)), { status: 200, json: { version: golden.version } });
      const { status, json } = gateway.read();
      // In the order of their places, not of their addresses, where there are places.
      for (const model of json.models) model.endpoints.sort();
      assert.deepEqual({ status, json }, { status: 200, json: shown(golden, bytes(name).length) });
      gateway.expectCounters({ "snapshot.stored": 1, "snapshot.read": 1 });
      gateway.assertHealthy();
    });
  }

  test("there are at least those that the README names", () => {
    const expected = ["small", "empty", "adapters", "ipv6", "thousand", "unknown", "places", "objects", "future-minor"];
    for (const name of expected) {
      assert.ok(names.includes(name), name);
    }
  });
});

/** The words of the refusal that belong to a fixture; every fixture needs an entry. */
const SENTENCES: Record<string, RegExp> = {
  "place-twice": /a section stands twice/,
  "place-absent": /place is outside PLACES/,
  "place-outside": /place is outside PLACES/,
  "place-name": /not 1 to 63 letters/,
  "place-order": /places or policies are not strictly ascending/,
  "place-stride": /stride is smaller than its record/,
  "policy-outside": /policy outside POLICIES/,
  "policy-mode": /mode is unknown/,
  "policy-target": /target not above 0/,
  "policy-most": /requests in flight 0/,
  "policy-name": /policy's name is outside STRINGS, empty/,
  "no-bytes": /has no body|shorter than its 64-byte header/,
  "short-header": /shorter than its 64-byte header/,
  magic: /does not begin with the bytes PFSN/,
  major: /major version other than 1/,
  "version-zero": /has version 0/,
  truncated: /totalBytes differs/,
  "remote-records": /REMOTE has not one record for each endpoint/,
  "remote-requests": /REMOTE counts more than 16777216 requests/,
  "remote-lasted": /more requests that lasted than there are/,
  "remote-pending": /or 2\^30 tokens/,
  envoys: /more than 1024 other Envoys/,
  "prefix-stride": /a section's stride/,
  "prefix-empty": /PREFIXES holds no whole records/,
  "prefix-long": /PREFIXES holds no whole records/,
  "prefix-outside": /PREFIXES holds no whole records/,
  "prefix-cut": /PREFIXES holds no whole records/,
  "trailing-byte": /totalBytes differs/,
  "section-count": /more than 32 sections/,
  "directory-outside": /directory that ends past the body/,
  "section-missing": /a section is missing/,
  "section-twice": /a section stands twice/,
  "section-unaligned": /not 8-aligned/,
  "section-in-directory": /begins inside the directory/,
  "section-outside": /ends past the body/,
  "section-wraps": /ends past the body/,
  "unknown-section-outside": /ends past the body/,
  "stride-short": /stride is smaller than its record/,
  "stride-odd": /no multiple of 8/,
  "strings-stride": /stride/,
  "address-outside": /address is outside STRINGS/,
  "address-empty": /is not ip:port/,
  "address-long": /longer than 54 bytes/,
  "address-host-name": /is not ip:port/,
  "address-octet": /is not ip:port/,
  "address-port-zero": /is not ip:port/,
  "address-port-high": /is not ip:port/,
  "address-ipv6-bare": /is not ip:port/,
  "address-comma": /is not ip:port/,
  "address-twice": /endpoints are not strictly ascending/,
  "address-order": /endpoints are not strictly ascending/,
  "kv-usage-high": /kvUsage is neither NaN nor in 0\.\.\.1/,
  "kv-usage-negative": /kvUsage is neither/,
  "kv-usage-infinite": /kvUsage is neither/,
  "name-empty": /name is outside STRINGS, empty or longer/,
  "name-long": /name is outside STRINGS, empty or longer than 256/,
  "name-outside": /name is outside STRINGS/,
  "name-utf8": /control characters or is not UTF-8/,
  "name-control": /control characters or is not UTF-8/,
  "name-delete": /control characters or is not UTF-8/,
  "name-order": /models are not strictly ascending/,
  "model-kind": /kind is neither base nor adapter/,
  "base-other": /a base model names another as its base/,
  "base-unknown": /a base model names another as its base/,
  "base-outside": /a model's base is no base model/,
  "base-adapter": /a model's base is no base model/,
  "range-outside": /range is outside MODEL_ENDPOINTS/,
  "range-wraps": /range is outside MODEL_ENDPOINTS/,
  "range-huge": /add up to more than 65536/,
  "index-outside": /index is outside ENDPOINTS/,
  "index-twice": /indexes are not strictly ascending/,
  state: /state is none of listed, running and waiting/,
  "pool-name": /name of a pool, an objective or a rule is outside STRINGS, empty or too long/,
  "pool-order": /pools are not strictly ascending/,
  "pool-outside": /pool's index is outside POOLS/,
  "pools-missing": /pool's index is outside POOLS/,
  "pool-of-model": /pool's index is outside POOLS/,
  "objective-name": /name of a pool, an objective or a rule is outside STRINGS, empty or too long/,
  "objective-order": /objectives are not strictly ascending/,
  "rule-target": /name of a pool, an objective or a rule is outside STRINGS/,
  "rule-order": /rules are not ascending/,
  "rule-priority": /targets of different priorities/,
  "rule-weight": /weight above 1000000/,
};

describe("malformed snapshots", () => {
  const index: { file: string; wrong: string }[] = JSON.parse(
    readFileSync(new URL("malformed/index.json", fixtures), "utf8"),
  );

  test("every one of them has its sentence here", () => {
    const names = index.map(({ file }) => file.replace(".snapshot.bin", ""));
    assert.deepEqual(Object.keys(SENTENCES).sort(), names.sort());
  });

  for (const { file, wrong } of index) {
    const name = file.replace(".snapshot.bin", "");
    test(`${name} (${wrong}) is refused whole, and the stored snapshot stays`, () => {
      const gateway = new Gateway();
      gateway.push(bytes("small"));
      const kept = gateway.read().json;
      const { status, json } = gateway.push(bytes(`malformed/${name}`));
      assert.equal(status, 400);
      assert.equal(json.error.code, "snapshot_malformed");
      assert.match(json.error.message, SENTENCES[name] as RegExp);
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

  test("no prefix of a snapshot is taken for one", () => {
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
