// The source map of the debug build leads from a trap to its file and line, by the stack that Node writes and by the stack that
// Envoy logs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Process, Stream, VmFailed } from "../../emulator/index.ts";
import { framesOf } from "../../testkit/debug/trap.ts";
import { buildTrapping, type TrappingModule } from "../../testkit/debug/trapping.ts";

const FILE = "assembly/filter/request/request.ts";
let trapping: TrappingModule;

before(() => {
  trapping = buildTrapping(FILE, "export function requestHeaders", "  if (id > 0) unreachable();");
});
after(() => trapping?.remove());

/** The stack of the trap, as V8 writes it. */
function stackInEmulator(): string {
  const root = new Process().startRoot(readFileSync(trapping.wasm), { allowOnHeadersStopIteration: true });
  try {
    new Stream(root).sendHeaders({ ":method": "POST", ":path": "/v1/chat/completions" });
  } catch (error) {
    assert.ok(error instanceof VmFailed, String(error));
    return (error.cause as Error).stack ?? "";
  }
  throw new Error("the module did not trap");
}

test("a trap in the emulator is mapped to the line that trapped", () => {
  const map = JSON.parse(readFileSync(trapping.map, "utf8"));
  const frames = framesOf(stackInEmulator(), map);
  assert.equal(frames[0]?.file, FILE);
  assert.equal(frames[0]?.line, trapping.line);
  assert.equal(frames[1]?.file, "assembly/main.ts");
});

test("the command maps what Envoy logs, and says what to do without a frame or without a map", () => {
  const map = JSON.parse(readFileSync(trapping.map, "utf8"));
  const [frame] = framesOf(stackInEmulator(), map);
  const log = [
    "[2026-11-30 12:01:32.550][4656][error][wasm] Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable",
    "Proxy-Wasm plugin in-VM backtrace:",
    `  0:  0x${frame?.offset.toString(16)} - ${frame?.function}`,
  ].join("\n");
  const run = (input: string, map: string) =>
    spawnSync(process.execPath, ["--import", "tsx", "testkit/debug/main.ts", "--map", map], {
      input,
      encoding: "utf8",
    });
  assert.equal(run(log, trapping.map).stdout, `${FILE}:${trapping.line}  ${frame?.function}\n`);
  assert.equal(run(log, trapping.map).stderr, "");
  const foreign = `  0:  0x${frame?.offset.toString(16)} - assembly/pick/pick/pick`;
  assert.match(run(foreign, trapping.map).stderr, /not of the build with this map/);
  assert.match(run("no frame\n", trapping.map).stderr, /no frame was found.*release build/);
  assert.match(run(log, "build/none.map").stderr, /`make debug` writes/);
});
