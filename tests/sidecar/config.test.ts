// The sidecar's configuration: defaults, error messages, flags, and former names of keys.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseDuration, parseSize } from "../../sidecar/config/duration.ts";
import { configurationKeys, configurationSchema } from "../../sidecar/config/json-schema.ts";
import { ConfigError, loadConfig, parseConfig } from "../../sidecar/config/load.ts";
import { nearest } from "../../sidecar/config/nearest.ts";

const ENV = { PILOTFISH_SECRET: "s3cret" };
const GOOD = { endpoints: ["http://10.0.0.1:8000"], push: { targets: ["http://127.0.0.1:10000"] } };

function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  throw new assert.AssertionError({ message: "the configuration was accepted" });
}

const refused = (input: unknown, ...expected: string[]) => {
  assert.deepEqual(
    problems(() => parseConfig(input, ENV)),
    expected,
  );
};

test("endpoints, a target and the secret are enough; the rest has defaults", () => {
  const config = parseConfig(GOOD, ENV);
  assert.deepEqual(config.endpoints[0]?.url, { origin: "http://10.0.0.1:8000", host: "10.0.0.1", port: 8000 });
  assert.deepEqual([config.scrape.interval, config.models.interval, config.push.heartbeat], [50, 10_000, 500]);
  assert.deepEqual([config.listen.port, config.push.secrets], [9400, ["s3cret"]]);
});

test("a URL and an object with that URL mean the same", () => {
  const short = parseConfig({ ...GOOD, endpoints: ["http://[::1]:8000"] }, ENV);
  const long = parseConfig({ ...GOOD, endpoints: [{ url: "http://[::1]:8000", engine: "auto" }] }, ENV);
  assert.deepEqual(short.endpoints, long.endpoints);
  assert.equal(short.endpoints[0]?.url.host, "::1");
});

test("an error names key, value and expectation", () => {
  refused(
    { ...GOOD, scrape: { interval: "5 parsecs" } },
    'scrape.interval: got "5 parsecs", expected a duration from 10ms to 10m, such as 100ms or 2s',
  );
  refused(
    { ...GOOD, scrape: { interval: 100 } },
    "scrape.interval: got 100, expected a duration from 10ms to 10m, such as 100ms or 2s",
  );
  refused(
    { ...GOOD, scrape: { interval: "1ms" } },
    'scrape.interval: got "1ms", expected a duration from 10ms to 10m, such as 100ms or 2s',
  );
  refused(
    { ...GOOD, scrape: { maxBytes: "1GiB" } },
    'scrape.maxBytes: got "1GiB", expected a size up to 64MiB, such as 64KiB or 4MiB',
  );
  refused(
    { ...GOOD, endpoints: ["ftp://x:1"] },
    'endpoints[0].url: got "ftp://x:1", expected http://host:port without a path',
  );
  refused(
    { ...GOOD, endpoints: ["http://u:p@x:1"] },
    'endpoints[0].url: got "http://u:p@x:1", expected http://host:port without a path',
  );
  refused({ ...GOOD, dns: [{ name: "pods" }] }, "dns[0].port: got nothing, expected an integer from 1 to 65535");
  refused(
    { ...GOOD, dns: [{ name: "10.0.0.1", port: 1 }] },
    'dns[0].name: got "10.0.0.1", expected a host name, not an address',
  );
  refused({ ...GOOD, listen: "9400" }, 'listen: got "9400", expected ip:port, such as 127.0.0.1:9400');
  refused(
    { ...GOOD, log: { level: "loud" } },
    'log.level: got "loud", expected one of silent, error, warn, info, debug',
  );
  refused([], "configuration: got [], expected an object of keys");
});

test("an unknown key is refused, with the key that was probably meant", () => {
  refused({ ...GOOD, scrap: {} }, "scrap: unknown key, did you mean scrape?");
  refused({ ...GOOD, scrape: { intervall: "1s" } }, "scrape.intervall: unknown key, did you mean interval?");
  refused({ ...GOOD, zzzzzz: 1 }, "zzzzzz: unknown key");
});

test("one error lists all problems", () => {
  const found = problems(() => parseConfig({ endpoints: [3], push: { targets: [3] }, log: { level: 1 }, x: 1 }, ENV));
  assert.equal(found.length, 4);
});

test("keys that contradict each other are refused", () => {
  refused(
    { ...GOOD, push: { ...GOOD.push, minBackoff: "2s", maxBackoff: "1s" } },
    "push.maxBackoff: got 1000ms, expected at least push.minBackoff (2000ms)",
  );
  refused(
    { ...GOOD, push: { ...GOOD.push, interval: "1s" } },
    "push.heartbeat: got 500ms, expected at least push.interval (1000ms)",
  );
  refused(
    { push: GOOD.push },
    "endpoints: got nothing, expected at least one pod there or one name under dns (flags --endpoint, --dns), or kubernetes, or manifests, or peers",
  );
  refused(
    { ...GOOD, push: {} },
    "push.targets: got nothing, expected at least one Envoy listener, such as http://127.0.0.1:10000 (flag --push), or push.dns, or push.kubernetes",
  );
  refused({ ...GOOD, push: { ...GOOD.push, tls: { cert: "/a.pem" } } }, "push.tls: expected cert and key together");
  refused(
    { ...GOOD, push: { ...GOOD.push, secret: "s", secretFile: "/a" } },
    "push.secret: got a value that is not shown, expected none beside push.secretFile",
  );
  refused(
    { ...GOOD, models: { static: { a: { base: "b" }, b: { base: "c" } } } },
    'models.static.a.base: got "b", expected a base model, not an adapter',
  );
});

test("a missing or invalid secret is refused, and never shown", () => {
  const none = problems(() => parseConfig(GOOD, {}));
  assert.deepEqual(none, ["push.secret: got nothing, expected a secret in the environment variable PILOTFISH_SECRET"]);
  const bad = "with blank";
  const given = problems(() => parseConfig({ ...GOOD, push: { ...GOOD.push, secret: bad } }, ENV));
  const found = problems(() => parseConfig(GOOD, { PILOTFISH_SECRET: bad }));
  for (const lines of [given, found]) {
    assert.equal(lines.length, 1);
    assert.ok(!lines[0]?.includes(bad));
    assert.match(lines[0] ?? "", /expected 1\.\.\.1024 visible ASCII characters/);
  }
  assert.equal(
    parseConfig({ ...GOOD, push: { ...GOOD.push, secretEnv: "OTHER" } }, { OTHER: "x" }).push.secrets[0],
    "x",
  );
});

test("flags win over the file, key by key", () => {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));
  try {
    const file = join(folder, "pilotfish.yaml");
    writeFileSync(
      file,
      "endpoints: [http://10.0.0.1:8000]\nscrape: {interval: 1s, timeout: 2s}\npush:\n  targets: [http://10.0.0.9:1]\n",
    );
    const config = loadConfig(file, { scrape: { interval: "200ms", timeout: undefined } }, ENV);
    assert.deepEqual([config.scrape.interval, config.scrape.timeout], [200, 2000]);
    assert.equal(config.push.targets[0]?.origin, "http://10.0.0.9:1");
    writeFileSync(file, "endpoints: [\nlisten: }");
    assert.match(problems(() => loadConfig(file, {}, ENV))[0] ?? "", /pilotfish\.yaml: .* line /);
    writeFileSync(file, "a: 1\na: 2\n");
    assert.match(problems(() => loadConfig(file, {}, ENV))[0] ?? "", /unique/);
    assert.match(problems(() => loadConfig(join(folder, "none.yaml"), {}, ENV))[0] ?? "", /^--config: ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every key has a description, and a valid default or a text that describes the value without the key", () => {
  let keys = 0;
  const check = (node: Record<string, unknown>, path: string, required: unknown): void => {
    const { properties, items, additionalProperties, anyOf, default: usual, description } = node;
    for (const [key, child] of Object.entries((properties ?? {}) as Record<string, Record<string, unknown>>))
      check(child, `${path}.${key}`, ((node.required ?? []) as string[]).includes(key));
    for (const inside of [items, additionalProperties, ...((anyOf ?? []) as unknown[])])
      if (typeof inside === "object" && inside !== null) check(inside as Record<string, unknown>, `${path}[]`, true);
    if (path.endsWith("[]") || path === "" || (properties !== undefined && usual !== undefined)) return;
    keys++;
    assert.match(String(description), /\.$/, `${path}: a description`);
    assert.ok(
      required || usual !== undefined || node["x-absent"] !== undefined || node.deprecated,
      `${path}: a default`,
    );
  };
  check(configurationSchema(), "", true);
  assert.ok(keys > 80, `${keys} keys`);
  assert.ok(configurationKeys().includes("push.maxBackoff"));
});

test("the former name of a key works and gives a warning; both names at once are refused", () => {
  const { retryMin, ...push } = { ...GOOD.push, retryMin: "7ms" };
  const config = parseConfig({ ...GOOD, push: { ...push, retryMin } }, ENV);
  assert.equal(config.push.minBackoff, 7);
  assert.deepEqual(config.warnings, [
    "push.retryMin: this key is now called push.minBackoff; the former name still works",
  ]);
  assert.throws(
    () => parseConfig({ ...GOOD, push: { ...push, retryMin, minBackoff: "8ms" } }, ENV),
    /push\.retryMin: got a value, expected none beside push\.minBackoff/,
  );
});

test("durations and sizes are a number and a unit", () => {
  for (const [text, ms] of Object.entries({ "0ms": 0, "100ms": 100, "1.5s": 1500, "2m": 120_000, "1h": 3_600_000 })) {
    assert.equal(parseDuration(text), ms);
  }
  for (const text of ["", "100", "ms", "1 s", "-1s", "1d", "01s", "1e3ms", "1s2s"])
    assert.equal(parseDuration(text), undefined, text);
  assert.deepEqual([parseSize("1B"), parseSize("64KiB"), parseSize("4MiB")], [1, 65_536, 4_194_304]);
  for (const text of ["0B", "64", "64KB", "1.5MiB", " 1B"]) assert.equal(parseSize(text), undefined, text);
});

test("a key is suggested only for a typing error", () => {
  assert.equal(nearest("tiemout", ["interval", "timeout"]), "timeout");
  assert.equal(nearest("colour", ["interval", "timeout"]), undefined);
});
