// What the sidecar does with servers that serve their metrics as vLLM does: with one API server process and with several.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Pod } from "../../sidecar/pod.ts";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import { freePorts } from "../../testkit/ports.ts";
import { startFilter } from "../../testkit/sidecar/fake-filter.ts";
import { quickSidecar } from "../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../testkit/until.ts";

/** Starts a server with one API server process or with several, on this port. Resolves when it answers. */
export type StartServer = (t: TestContext, port: number, several: boolean) => Promise<{ stop(): Promise<void> }>;

interface Kind {
  title: string;
  model: string;
  start: StartServer;
  /** A reason to skip all tests; undefined: they run. */
  skip?: string | undefined;
}

/** Streams that are open at the same time. */
const STREAMS = 3;
/** Long enough that a stream ends only when its client closes the connection. */
const TOKENS = 1000;

interface Scene {
  sidecar: Sidecar;
  pod(): Pod | undefined;
}

async function scene(t: TestContext, port: number): Promise<Scene> {
  const filter = await startFilter();
  t.after(() => filter.close());
  const more = { scrape: { interval: "50ms", timeout: "5s" } };
  const sidecar = await quickSidecar(t, { endpoints: [`http://127.0.0.1:${port}`], targets: [filter.url], more });
  return { sidecar, pod: () => sidecar.pods()[0] };
}

/** Opens streams, and asserts that the sidecar sees them begin and end. */
async function seesStreams({ pod }: Scene, port: number, model: string): Promise<void> {
  const abort = new AbortController();
  const body = JSON.stringify({
    model,
    stream: true,
    max_tokens: TOKENS,
    messages: [{ role: "user", content: "hello" }],
  });
  const request = { method: "POST", headers: { "content-type": "application/json" }, body, signal: abort.signal };
  const open = Array.from({ length: STREAMS }, () => fetch(`http://127.0.0.1:${port}/v1/chat/completions`, request));
  for (const response of await Promise.all(open)) assert.equal(response.status, 200);
  await until(`${STREAMS} running requests`, () => pod()?.reading?.running === STREAMS);
  abort.abort();
  await until("no running request", () => pod()?.reading?.running === 0);
}

function isComplete(pod: Pod | undefined): void {
  const { reading } = pod ?? {};
  assert.ok(reading, "the pod has a reading");
  assert.deepEqual([reading.engine, reading.malformed], ["vllm", 0]);
  const { waiting, running, kvUsage, kvBlocks, blockTokens } = reading;
  for (const [name, value] of Object.entries({ waiting, running, kvUsage, kvBlocks, blockTokens }))
    assert.equal(typeof value, "number", name);
}

export function behaviours({ title, model, start, skip }: Kind): void {
  const options = skip === undefined ? {} : { skip };

  test(
    `${title}, one API server process: the sidecar asks only for what it reads, and misses nothing`,
    options,
    async (t) => {
      const [port] = (await freePorts(1)) as [number];
      await start(t, port, false);
      const one = await scene(t, port);
      const { cost } = await until("restricted pages", () => {
        const pod = one.pod();
        return pod?.page === "restricted" && (pod.cost?.pages.restricted ?? 0) > 3 ? pod : undefined;
      });
      isComplete(one.pod());
      await seesStreams(one, port, model);
      assert.equal(one.pod()?.page, "restricted");
      const { pages, bytes } = cost ?? { pages: { whole: 0, restricted: 0 }, bytes: 0 };
      assert.ok(bytes / (pages.whole + pages.restricted) < 40_000, `${bytes} bytes in ${JSON.stringify(pages)}`);
    },
  );

  test(
    `${title}, several API server processes: restricted pages are empty, and the sidecar reads whole pages`,
    options,
    async (t) => {
      const [port] = (await freePorts(1)) as [number];
      await start(t, port, true);
      const one = await scene(t, port);
      await until("the try of a restricted page", () => one.pod()?.page === "empty");
      isComplete(one.pod());
      await seesStreams(one, port, model);
      assert.equal(one.pod()?.page, "empty");
    },
  );

  test(`${title}: a server that restarts with several API server processes is read as before`, options, async (t) => {
    const [port] = (await freePorts(1)) as [number];
    const first = await start(t, port, false);
    const one = await scene(t, port);
    await until("restricted pages", () => one.pod()?.page === "restricted");
    await first.stop();
    await until("the end of the server", () => one.pod()?.health.state === "down");
    await start(t, port, true);
    await until("whole pages", () => one.pod()?.page === "empty");
    isComplete(one.pod());
    await seesStreams(one, port, model);
  });
}
