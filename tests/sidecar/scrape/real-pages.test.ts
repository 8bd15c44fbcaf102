// Restricted pages of a real Python server with vLLM 0.32's libraries for metrics and its routes (bench/scrape/server.py).
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { isInstalled, programOf, VLLM_METRICS } from "../../../testkit/peers/python-peers.ts";
import { type RunningPeer, spawnPeer } from "../../../testkit/peers/spawn-peer.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { pageReader } from "../../../testkit/sidecar/page-reader.ts";

const SERVER = fileURLToPath(new URL("../../../bench/scrape/server.py", import.meta.url));
const CAPTURE = fileURLToPath(new URL("../../fixtures/metrics/vllm-0.32-load.txt", import.meta.url));
const missing = `not in the cache; make peers ARGS="${VLLM_METRICS.name}" puts it there`;
const skip = (await isInstalled(VLLM_METRICS)) ? false : missing;

async function startServer(t: TestContext, port: number, processes: "one" | "several"): Promise<RunningPeer> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-pages-"));
  const server = await spawnPeer({
    title: VLLM_METRICS.title,
    argv: [programOf(VLLM_METRICS, "python"), SERVER, "--port", String(port), "--capture", CAPTURE],
    env: { PATH: process.env.PATH, ...(processes === "several" && { PROMETHEUS_MULTIPROC_DIR: folder }) },
    folder,
    port,
    waitMs: 60_000,
  });
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return server;
}

/** The values of a reading that do not tell whether the page was restricted. */
const values = ({ samples, ...rest }: Reading) => rest;

test("a server with one process restricts its page, and the restricted page has everything that is used", {
  skip,
}, async (t) => {
  const [port = 0] = await freePorts(1);
  await startServer(t, port, "one");
  for (const gzip of [false, true]) {
    const { reader, scrape, close } = pageReader(`http://127.0.0.1:${port}`, { gzip, timeoutMs: 30_000 });
    t.after(close);
    const whole = await scrape();
    assert.equal(reader.state, "restricted");
    const { bytes } = reader.cost;
    assert.deepEqual(values(await scrape()), values(whole));
    assert.deepEqual(reader.cost.pages, { whole: 1, restricted: 2 });
    assert.ok(reader.cost.bytes - bytes < bytes / 5, `${reader.cost.bytes - bytes} bytes after ${bytes}`);
  }
});

test("a server that restarts with several processes is read whole, and known with each scrape", { skip }, async (t) => {
  const [port = 0] = await freePorts(1);
  const one = await startServer(t, port, "one");
  const { reader, scrape, close } = pageReader(`http://127.0.0.1:${port}`, { timeoutMs: 30_000 });
  t.after(close);
  await scrape();
  assert.equal(reader.state, "restricted");
  await one.stop();
  await startServer(t, port, "several");
  for (let i = 0; i < 3; i++) {
    const { engine, waiting, running, kvUsage, counters } = await scrape(20_000);
    assert.equal(engine, "vllm");
    for (const value of [waiting, running, kvUsage, counters.promptTokens]) assert.equal(typeof value, "number");
  }
  assert.equal(reader.state, "empty");
});
