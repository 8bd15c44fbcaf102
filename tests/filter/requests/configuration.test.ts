// The configurations that the filter accepts, and the line that it logs when it refuses a configuration.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationRefused, Process, Root } from "../../../emulator/index.ts";
import { SECRET_ENV } from "../../../protocol/constants.ts";
import { Gateway, SECRET, threePods } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";

/** Returns the line that the filter logs when it refuses this configuration. */
function refusal(configuration: string, environment: Record<string, string> = {}): string {
  const process = new Process();
  const vm = process.startVm(release, { environment });
  assert.throws(
    () => new Root(vm, { configuration, allowOnHeadersStopIteration: true }),
    (error) => error instanceof ConfigurationRefused,
  );
  const errors = vm.logs.filter((line) => line.level === "error");
  assert.equal(errors.length, 1, JSON.stringify(vm.logs));
  return errors[0]?.text ?? "";
}

const snapshot = (fields: object) => JSON.stringify({ snapshot: fields });

describe("a configuration", () => {
  for (const text of [
    "",
    "{}",
    '{"snapshot":{}}',
    snapshot({ staleAfter: "100ms" }),
    snapshot({ staleAfter: "3600s" }),
  ]) {
    test(`${text || "of no bytes"} is accepted, with no line above info`, () => {
      const root = new Process().startRoot(release, { configuration: text, environment: { [SECRET_ENV]: SECRET } });
      assert.deepEqual(
        root.vm.logs.filter((line) => line.level !== "info"),
        [],
      );
    });
  }

  const refused: [string, string, string, RegExp, RegExp][] = [
    ["an unknown key", '{"snapshots":{}}', "snapshots", /./, /known are .*snapshot/],
    ["an unknown key inside", snapshot({ stale: "2s" }), "snapshot.stale", /./, /path, secret, staleAfter, maxBytes/],
    ["a snapshot that is no object", '{"snapshot":5}', "snapshot", /5/, /an object/],
    ["a null", '{"snapshot":null}', "snapshot", /null/, /an object/],
    ["a number as a duration", snapshot({ staleAfter: 2 }), "snapshot.staleAfter", /2/, /a duration/],
    ["a duration without a unit", snapshot({ staleAfter: "2" }), "snapshot.staleAfter", /"2"/, /a duration/],
    ["a duration of minutes", snapshot({ staleAfter: "2m" }), "snapshot.staleAfter", /"2m"/, /a duration/],
    ["a fraction of a second", snapshot({ staleAfter: "1.5s" }), "snapshot.staleAfter", /1\.5s/, /a duration/],
    ["a negative duration", snapshot({ staleAfter: "-2s" }), "snapshot.staleAfter", /-2s/, /a duration/],
    ["99 ms", snapshot({ staleAfter: "99ms" }), "snapshot.staleAfter", /99ms/, /100ms/],
    ["more than an hour", snapshot({ staleAfter: "3601s" }), "snapshot.staleAfter", /3601s/, /3600/],
    ["a duration beyond 64 bits", snapshot({ staleAfter: "99999999999999999999s" }), "snapshot.staleAfter", /99/, /du/],
    ["a text as a size", snapshot({ maxBytes: "4096" }), "snapshot.maxBytes", /"4096"/, /4096 to 1048576/],
    ["a size of 4095", snapshot({ maxBytes: 4095 }), "snapshot.maxBytes", /4095/, /4096 to 1048576/],
    ["a size over 1 MiB", snapshot({ maxBytes: 1048577 }), "snapshot.maxBytes", /1048577/, /4096 to 1048576/],
    ["a fraction of a byte", snapshot({ maxBytes: 5000.5 }), "snapshot.maxBytes", /5000\.5/, /a whole number/],
    ["a size of -1", snapshot({ maxBytes: -1 }), "snapshot.maxBytes", /-1/, /a whole number/],
    ["a path outside the reserved ones", snapshot({ path: "/v1/models" }), "snapshot.path", /v1/, /\/\.pilotfish\//],
    ["a path that is no text", snapshot({ path: true }), "snapshot.path", /true/, /\/\.pilotfish\//],
    ["a secret of 15 characters", snapshot({ secret: "0123456789abcde" }), "snapshot.secret", /15/, /16 to 256/],
    ["a secret of 257", snapshot({ secret: "s".repeat(257) }), "snapshot.secret", /257/, /16 to 256/],
    ["a secret with a blank", snapshot({ secret: "0123456789 abcdef" }), "snapshot.secret", /character 10/, /visible/],
    ["a secret that is no text", snapshot({ secret: 1234567890123456 }), "snapshot.secret", /./, /16 to 256/],
  ];
  for (const [what, configuration, key, value, expected] of refused) {
    test(`${what} is refused with a line that names key, value and expectation`, () => {
      const line = refusal(configuration);
      assert.ok(line.startsWith(`pilotfish: ${key}: `), line);
      assert.match(line.slice(key.length), value);
      assert.match(line, expected);
    });
  }

  const broken = ["{", "[]", "snapshot: {}", '{"snapshot":{},}', '{"a":1}{"b":2}', "\u0000", '{"snapshot":'];
  for (const text of broken) {
    test(`${JSON.stringify(text)} is refused as a text that is no JSON object, with the byte at fault`, () => {
      assert.match(refusal(text), /^pilotfish: configuration: .*byte \d+/);
    });
  }

  test("an error quotes only the beginning of a long value", () => {
    const line = refusal(snapshot({ path: `/${"x".repeat(5000)}` }));
    assert.ok(line.length < 300, line);
  });

  test("a secret in the environment has to follow the same rules", () => {
    assert.match(refusal("", { [SECRET_ENV]: "short" }), /PILOTFISH_SECRET: 5 characters given, 16 to 256/);
  });

  test("an empty variable is no secret", () => {
    const gateway = new Gateway({ secret: "" });
    assert.match(gateway.worker().vm.logs[0]?.text ?? "", /no secret/);
  });

  test("the secret's variable is found among others, and a variable whose name only begins alike is ignored", () => {
    const environment = { A: "b", PILOTFISH_SECRET_OLD: "old-old-old-old-old", [SECRET_ENV]: SECRET, Z: "" };
    const root = new Process().startRoot(release, { environment });
    assert.doesNotMatch(JSON.stringify(root.vm.logs), /no secret/);
    const other = new Process().startRoot(release, { environment: { PILOTFISH_SECRET_OLD: "old-old-old-old-old" } });
    assert.match(JSON.stringify(other.vm.logs), /no secret/);
  });

  test("a secret is never in a log line, wherever the configuration has it", () => {
    const secret = "hunter2-hunter2-hunter2";
    const texts = [
      snapshot({ secret, staleAfter: 1 }),
      snapshot({ secret: `${secret} ` }),
      snapshot({ secret: secret.slice(0, 10) }),
      JSON.stringify({ snapshot: [{ secret }] }),
      JSON.stringify({ snapshot: secret }),
      snapshot({ secret: [`${secret} `] }),
      snapshot({ secret: [secret, { secret }] }),
      snapshot({ secret: [secret, secret, secret, secret, secret] }),
      snapshot({ secret: [] }),
      snapshot({ path: { secret } }),
      `{"snapshot":{"secret":"${secret}"`,
    ];
    for (const text of texts) assert.doesNotMatch(refusal(text), /hunter2/, text);
    assert.doesNotMatch(refusal("", { [SECRET_ENV]: `${secret}\u00fc` }), /hunter2/);
  });

  test("a refused change leaves the filter as it was", () => {
    const gateway = new Gateway();
    gateway.feed(threePods());
    const { vm } = gateway.worker();
    assert.throws(() => new Root(vm, { configuration: "{", allowOnHeadersStopIteration: true }));
    assert.equal(gateway.read().status, 200);
    gateway.chat("m");
    assert.equal(gateway.counters().picked, 1);
  });
});
