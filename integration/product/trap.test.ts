// A trap in a real Envoy. The debug build's source map leads from Envoy's backtrace to the file and line. The waiting requests of the
// VM that trapped are lost.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { JsonObject } from "../../envoy/json.ts";
import { around } from "../../testkit/around.ts";
import { framesOf } from "../../testkit/debug/trap.ts";
import { buildTrapping, type TrappingModule } from "../../testkit/debug/trapping.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, pushToAll, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, post, send } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";

const FILE = "assembly/filter/request/request.ts";
const TRAP = "/trap";
const IDLE_SECONDS = 4;

describe("a trap", () => {
  let trapping: TrappingModule;
  let echo: Echo;
  let envoy: TestEnvoy;

  around(
    async () => {
      const statement = `  if (headLength(HEAD_PATH) == ${TRAP.length}) unreachable();`;
      trapping = buildTrapping(FILE, "  stripAndReadHead(", statement);
      echo = await startEcho("echo");
      const pools = [{ name: "pool", models: ["m"], endpoints: [echo.address] }];
      const filter = { admission: { mode: "hold", hold: { timeout: "60s" } } };
      envoy = await startGateway({ pools, filter, edit: idleTimeout, wasm: { file: trapping.wasm } }, 1);
    },
    async () => {
      await envoy?.close();
      await echo?.close();
      trapping?.remove();
    },
  );

  test("takes the waiting requests of its VM along: Envoy's stream idle timeout ends them; a new VM serves the next", async () => {
    await pushToAll(envoy, { m: { on: [] } });
    const since = Date.now();
    const waiting = post(envoy.url, chat("m")).catch((error: Error) => error);
    await until("a waiting request", async () => (await counter(envoy, "hold.now")) === 1);
    assert.equal((await send(envoy.url, { path: TRAP })).status, 503);
    const answer = await waiting;
    assert.ok(!(answer instanceof Error), String(answer));
    assert.ok(Date.now() - since >= IDLE_SECONDS * 900, "nothing answers before");
    assert.equal(answer.status, 503);
    await until("a new VM", async () => (await send(envoy.url, { path: "/v1/models" })).status === 200);
    await until("an empty queue", async () => (await counter(envoy, "hold.now")) === 0);
    for (const end of ["resumed", "hold.timeout", "hold.no_endpoint", "hold.displaced", "hold.aborted"]) {
      assert.equal(await counter(envoy, end), 0, end);
    }
  });

  test("in Envoy's log is mapped to its file and line", async () => {
    const backtrace = () => envoy.logs().join("\n").split("in-VM backtrace:")[1];
    await until("the backtrace in Envoy's log", () => backtrace()?.includes("assembly/main"));
    const frames = framesOf(backtrace() ?? "", JSON.parse(readFileSync(trapping.map, "utf8")));
    assert.equal(`${frames[0]?.file}:${frames[0]?.line}`, `${FILE}:${trapping.line}`);
    assert.equal(frames.at(-1)?.file, "assembly/main.ts");
  });
});

/** A shorter stream idle timeout than the 300 s of the configuration. */
function idleTimeout(bootstrap: JsonObject): void {
  const text = JSON.stringify(bootstrap).replaceAll(
    '"stream_idle_timeout":"300s"',
    `"stream_idle_timeout":"${IDLE_SECONDS}s"`,
  );
  assert.ok(text.includes(`"${IDLE_SECONDS}s"`));
  Object.assign(bootstrap, JSON.parse(text));
}
