// What Envoy logs of a trap is mapped back to the file and line, by the debug build's source map.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { framesOf } from "../../testkit/debug/trap.ts";
import { buildTrapping } from "../../testkit/debug/trapping.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, post } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";

const FILE = "assembly/filter/request/request.ts";

test("Envoy's log of a trap names the file and line in the debug build's map", async () => {
  const trapping = buildTrapping(FILE, "export function requestHeaders", "  if (id > 0) unreachable();");
  let echo: Echo | undefined;
  let envoy: TestEnvoy | undefined;
  try {
    echo = await startEcho("echo");
    const pools = [{ name: "pool", models: ["m"], endpoints: [echo.address] }];
    const started = await startGateway({ pools, wasm: { file: trapping.wasm } });
    envoy = started;
    assert.equal((await post(started.url, chat("m"))).status, 503);
    const backtrace = () => started.logs().join("\n").split("in-VM backtrace:")[1];
    await until("the backtrace in Envoy's log", () => backtrace()?.includes("assembly/main"));
    const frames = framesOf(backtrace() ?? "", JSON.parse(readFileSync(trapping.map, "utf8")));
    assert.equal(`${frames[0]?.file}:${frames[0]?.line}`, `${FILE}:${trapping.line}`);
    assert.equal(frames[1]?.file, "assembly/main.ts");
  } finally {
    await envoy?.close();
    await echo?.close();
    trapping.remove();
  }
});
