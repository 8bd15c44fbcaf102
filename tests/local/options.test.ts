import assert from "node:assert/strict";
import { test } from "node:test";
import { command, parseOptions } from "../../envoy/local/options.ts";

/** Hides commander's messages from the test's output. */
function refused(argv: string[]): string {
  let text = "";
  const program = command().exitOverride();
  program.configureOutput({
    writeErr: (line) => {
      text += line;
    },
  });
  assert.throws(() => program.parse(argv, { from: "user" }));
  return text;
}

test("without options pods are simulated, the port is 10000, and the table is on", () => {
  assert.deepEqual(parseOptions([]), {
    pods: [],
    port: 10_000,
    envoyVersion: undefined,
    workers: 2,
    wasm: undefined,
    table: true,
    once: false,
  });
});

test("pods are separated by commas, blanks and further --pods", () => {
  const { pods } = parseOptions(["--pods", "http://a:1,http://b:2  http://[::1]:3", "--pods", "http://c"]);
  assert.deepEqual(
    pods.map(({ host, port }) => [host, port]),
    [
      ["a", 1],
      ["b", 2],
      ["::1", 3],
      ["c", 80],
    ],
  );
});

test("an invalid option is refused with its name, its value and what is expected", () => {
  const cases: [string[], RegExp][] = [
    [["--pods", "10.0.0.7:8000"], /--pods <urls>.*"10\.0\.0\.7:8000", expected http:\/\/host:port/],
    [["--pods", "https://a:1"], /"https:\/\/a:1", expected http:\/\/host:port/],
    [["--pods", "http://a:1/v1"], /"http:\/\/a:1\/v1", expected http:\/\/host:port without a path/],
    [["--pods", " , "], /expected at least one/],
    [["--port", "65536"], /--port <port>.*'65536'.*integer from 0 to 65535/],
    [["--port", "1e3"], /--port <port>.*'1e3'/],
    [["--workers", "0"], /--workers <n>.*'0'.*integer from 1 to 64/],
    [["--envoy-version", "latest"], /--envoy-version.*'latest'.*such as/],
    [["--tabel"], /unknown option '--tabel'/],
    [["extra"], /too many arguments/],
  ];
  for (const [argv, expected] of cases) assert.match(refused(argv), expected);
});
