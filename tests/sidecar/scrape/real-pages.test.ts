// The restricted page of a Python server with vLLM 0.32's libraries for metrics and its routes, beside the server's whole page.
// integration/vllm/ tests the same server with a whole sidecar.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import { isInstalled, VLLM_METRICS } from "../../../testkit/peers/python-peers.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { pageReader } from "../../../testkit/sidecar/page-reader.ts";
import { startMetricsServer } from "../../../testkit/vllm/metrics-server.ts";

const missing = `the libraries are not in the cache: make peers ARGS="${VLLM_METRICS.name}"`;
const skip = (await isInstalled(VLLM_METRICS)) ? false : missing;

/** The values of a reading that do not tell whether the page was restricted. */
const values = ({ samples, ...rest }: Reading) => rest;

test("the restricted page reads as the whole page, compressed or not, and has a fraction of the bytes", {
  skip,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-pages-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [port = 0] = await freePorts(1);
  const server = await startMetricsServer({ folder, port, model: "m", everyMs: 20, multiprocess: false });
  t.after(() => server.stop());
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
