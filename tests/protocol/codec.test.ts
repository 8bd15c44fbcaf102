import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import * as c from "../../protocol/constants.ts";
import { decodeSnapshot } from "../../protocol/decode.ts";
import { KNOWN } from "../../protocol/decode-directory.ts";
import { encodeSnapshot, SnapshotTooLargeError } from "../../protocol/encode.ts";
import { describe, FIXTURES, fixtureFiles } from "../../protocol/fixture-sources/generate-fixtures.ts";
import { GOLDEN } from "../../protocol/fixture-sources/golden.ts";
import { malformedSet } from "../../protocol/fixture-sources/malformed.ts";
import { isAddress } from "../../protocol/grammar.ts";
import { LAST_RULE, ruleCode, ruleSentence } from "../../protocol/rules.ts";
import type { EndpointView, SnapshotView } from "../../protocol/snapshot.ts";
import { SnapshotError } from "../../protocol/snapshot-error.ts";

const pod = (address: string): EndpointView => ({
  address,
  ready: true,
  draining: false,
  asleep: false,
  waiting: 1,
  running: 2,
  kvUsage: 0.5,
  scrapeAgeMs: 3,
  kvBlocks: 4,
  blockTokens: 5,
  maxLora: 6,
});
const view = (fields: Partial<SnapshotView> = {}): SnapshotView => ({
  version: 7n,
  source: 8n,
  endpoints: [pod("10.0.0.1:80")],
  models: [],
  ...fields,
});
const refuses = (broken: SnapshotView, field: string) =>
  assert.throws(
    () => encodeSnapshot(broken),
    (error) => error instanceof SnapshotError && error.field === field,
  );

test("the committed fixtures are, byte for byte, what the generator writes", () => {
  const written = fixtureFiles();
  const committed = readdirSync(FIXTURES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(FIXTURES.length - 1)}/${entry.name}`.replace(/^\/+/, ""));
  assert.deepEqual(committed.sort(), [...written.keys()].sort());
  for (const [path, bytes] of written) {
    assert.ok(
      readFileSync(FIXTURES + path).equals(bytes),
      `${path} differs: npx tsx protocol/fixture-sources/generate-fixtures.ts`,
    );
  }
});

for (const [name, golden] of Object.entries(GOLDEN)) {
  test(`the golden snapshot ${name} decodes to what was encoded, sorted by bytes`, () => {
    const decoded = decodeSnapshot(encodeSnapshot(golden));
    assert.equal(describe(encodeDecodeSorted(golden)), describe(decoded));
    assert.deepEqual(encodeSnapshot(decoded), encodeSnapshot(golden));
  });
}

function encodeDecodeSorted(golden: SnapshotView): SnapshotView {
  const order = (a: string, b: string) => Buffer.from(a).compare(Buffer.from(b));
  return {
    ...golden,
    endpoints: golden.endpoints.toSorted((a, b) => order(a.address, b.address)),
    models: golden.models
      .map((m) => ({ ...m, endpoints: m.endpoints.toSorted((a, b) => order(a.address, b.address)) }))
      .sort((a, b) => order(a.name, b.name)),
    ...(golden.places && { places: golden.places.toSorted((a, b) => order(a.name, b.name)) }),
    ...(golden.policies && { policies: golden.policies.toSorted((a, b) => order(a.name, b.name)) }),
    ...(golden.pools && { pools: golden.pools.toSorted((a, b) => order(a.name, b.name)) }),
    // Objectives are sorted by name, then by pool. In the golden snapshots pools have the order of their names.
    ...(golden.objectives && {
      objectives: golden.objectives.toSorted((a, b) => order(a.name, b.name) || order(a.pool ?? "", b.pool ?? "")),
    }),
    ...(golden.tokenizers && { tokenizers: golden.tokenizers.toSorted((a, b) => order(a.model, b.model)) }),
    ...(golden.rules && { rules: golden.rules.toSorted((a, b) => order(a.model ?? "", b.model ?? "")) }),
  };
}

test("names are ordered by their bytes where JavaScript's order differs", () => {
  // U+1F41F is D83D DC1F in UTF-16, which is below U+FFEE. In UTF-8 it begins with F0, which is above EF.
  const names = decodeSnapshot(encodeSnapshot(GOLDEN.ipv6 as SnapshotView)).models.map((m) => m.name);
  assert.deepEqual(names, ["modèle-\uffee", "modèle-🐟"]);
});

test("a newer minor version with longer records, unknown sections and flags reads as the old one", () => {
  const decoded = decodeSnapshot(readFileSync(`${FIXTURES}future-minor.snapshot.bin`));
  const small = decodeSnapshot(encodeSnapshot(GOLDEN.small as SnapshotView));
  assert.deepEqual(
    decoded.endpoints.map((e) => ({ ...e, ready: true })),
    small.endpoints.map((e) => ({ ...e, ready: true })),
  );
  assert.deepEqual(decoded.models, small.models);
});

for (const { name, rule, wrong, field, bytes } of malformedSet()) {
  test(`refused: ${name}, ${wrong}`, () => {
    assert.throws(
      () => decodeSnapshot(bytes),
      (error) => error instanceof SnapshotError && error.rule === rule && error.field.startsWith(field),
    );
  });
}

test("each rule has a malformed fixture", () => {
  const broken = new Set(malformedSet().map(({ rule }) => rule));
  const rules = Array.from({ length: LAST_RULE }, (_, i) => i + 1);
  assert.deepEqual(rules.filter((rule) => !broken.has(rule)).map(ruleCode), []);
});

test("an error names the field, the value, what was expected, and the rule", () => {
  const body = encodeSnapshot(GOLDEN.small as SnapshotView);
  body[0] = 0x51;
  assert.throws(() => decodeSnapshot(body), {
    message: 'header.magic: got 1314080337, expected 1314080336 ("PFSN") (rule 2, magic)',
  });
});

test("README.md has the rules and the limits of sections as they are in the code", () => {
  const readme = readFileSync(new URL("../../protocol/README.md", import.meta.url), "utf8");
  const rows = Array.from(
    { length: LAST_RULE },
    (_, i) => `| ${i + 1} | \`${ruleCode(i + 1)}\` | ${ruleSentence(i + 1)} |`,
  );
  const written = readme.split("\n").filter((line) => /^\| \d+ \| `/.test(line));
  assert.deepEqual(written, rows, `README.md has to have:\n${rows.join("\n")}`);
  for (const { name, kind, least, limit } of KNOWN) {
    const row = readme.split("\n").find((line) => line.startsWith(`| ${name} `)) ?? "";
    const cells = row.split("|").map((cell) => cell.trim());
    assert.deepEqual(cells.slice(1, 5), [name, String(kind), String(least), limit.toLocaleString("en")], row);
  }
});

test("the golden snapshot that malformed snapshots are made of is accepted", () => {
  assert.equal(decodeSnapshot(encodeSnapshot(GOLDEN.adapters as SnapshotView)).models.length, 5);
});

test("the decoder refuses a body over the limit, and the encoder makes none", () => {
  assert.throws(
    () => decodeSnapshot(new Uint8Array(c.MAX_SNAPSHOT_BYTES + 1)),
    /body length: got 1048577, expected at/,
  );
  const name = (i: number) => `${String(i).padStart(6, "0")}${"n".repeat(250)}`;
  const models = Array.from({ length: 4000 }, (_, i) => ({
    name: name(i),
    kind: "base" as const,
    base: name(i),
    endpoints: [],
  }));
  assert.throws(() => encodeSnapshot(view({ models })), SnapshotTooLargeError);
});

test("the encoder refuses what the filter would, and names the field", () => {
  refuses(view({ version: 0n }), "version");
  refuses(view({ source: 1n << 64n }), "source");
  refuses(view({ endpoints: [pod("10.0.0.1:80"), pod("10.0.0.1:80")] }), "endpoints[1].address");
  refuses(view({ endpoints: [pod("pod-1:80")] }), "endpoints[0].address");
  refuses(view({ endpoints: [{ ...pod("10.0.0.1:80"), waiting: -1 }] }), "endpoints[0].waiting");
  refuses(view({ endpoints: [{ ...pod("10.0.0.1:80"), running: c.UNKNOWN }] }), "endpoints[0].running");
  refuses(view({ endpoints: [{ ...pod("10.0.0.1:80"), kvUsage: Number.NaN }] }), "endpoints[0].kvUsage");
  refuses(view({ models: [{ name: "a\n", kind: "base", base: "a\n", endpoints: [] }] }), "models[0].name");
  refuses(view({ models: [{ name: "\ud800", kind: "base", base: "\ud800", endpoints: [] }] }), "models[0].name");
  refuses(view({ models: [{ name: "a", kind: "base", base: null, endpoints: [] }] }), "models[0].base");
  refuses(view({ models: [{ name: "a", kind: "adapter", base: "b", endpoints: [] }] }), "models[0].base");
  refuses(view({ endpoints: [{ ...pod("10.0.0.1:80"), place: "eu" }] }), "endpoints[0].place");
  refuses(view({ places: [{ name: "eu west", order: 0, roundTripUs: null, weight: 1 }] }), "places[0].name");
  refuses(view({ models: [{ name: "a", kind: "base", base: "a", endpoints: [], policy: "p" }] }), "models[0].policy");
  const away = { address: "10.0.0.2:80", state: "listed" as const };
  refuses(view({ models: [{ name: "a", kind: "base", base: "a", endpoints: [away] }] }), "models[0].endpoints[0]");
});

test("the encoder refuses pools, objectives and rules that contradict themselves, and names the field", () => {
  const rule = { model: "a", pool: null, priority: null, targets: [{ model: "b", weight: 1 }] };
  const pools = [{ name: "ns/p" }];
  refuses(view({ pools: [...pools, ...pools] }), "pools[1].name");
  refuses(view({ pools: [{ name: "p".repeat(318) }] }), "pools[0].name");
  refuses(view({ endpoints: [{ ...pod("10.0.0.1:80"), pool: "ns/p" }] }), "endpoints[0].pool");
  refuses(view({ pools, objectives: [{ name: "o", priority: 2 ** 31, pool: null }] }), "objectives[0].priority");
  refuses(view({ pools, objectives: [{ name: "o", priority: 0, pool: "ns/q" }] }), "objectives[0].pool");
  const twice = { name: "o", priority: 0, pool: "ns/p" };
  refuses(view({ pools, objectives: [twice, { ...twice, priority: 1 }] }), "objectives[1].name");
  refuses(view({ rules: [rule, { ...rule, priority: 1 }] }), "rules[1].model");
  refuses(view({ rules: [{ ...rule, targets: [] }] }), "rules[0].targets.length");
  refuses(view({ rules: [{ ...rule, targets: [{ model: "b", weight: -1 }] }] }), "rules[0].targets[0].weight");
  refuses(view({ rules: [{ ...rule, model: "a\n" }] }), "rules[0].model");
});

test("an address is an IP address and a port, and nothing else", () => {
  const good = ["1.2.3.4:1", "255.255.255.255:65535", "[::]:80", "[fd00::1]:80", "[::ffff:1.2.3.4]:9"];
  const bad = ["", ":80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:080", "1.2.3.4:65536", "01.2.3.4:80", "a:80"];
  const worse = ["[]:80", "[a]:80", "[:]:80", "[fe80::1%eth0]:80", "[FD00::1]:80", "[::1:80", "::1]:80", "1.2.3.4:8 "];
  for (const address of good) assert.equal(isAddress(address), true, address);
  for (const address of [...bad, ...worse]) assert.equal(isAddress(address), false, address);
});

test("flipped bytes never crash the decoder: it accepts, or refuses with a SnapshotError", () => {
  const bodies = [GOLDEN.adapters, GOLDEN.objects].map((golden) => encodeSnapshot(golden as SnapshotView));
  const shortest = Math.min(...bodies.map((body) => body.length));
  const flips = fc.array(fc.tuple(fc.nat(shortest - 1), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.constantFrom(...bodies), flips, (golden, edits) => {
      const body = golden.slice();
      for (const [at, byte] of edits) body[at] = byte;
      try {
        // The encoder must accept each view that the decoder returns, because both check the same rules.
        encodeSnapshot(decodeSnapshot(body));
      } catch (error) {
        assert.ok(error instanceof SnapshotError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
