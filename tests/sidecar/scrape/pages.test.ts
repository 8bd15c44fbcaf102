// A pod's restricted page: found by trying, used only while it has every sample of the whole page. Real HTTP, and a clock that
// the test sets.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Reading } from "../../../sidecar/engines/reading.ts";
import type { PageReader } from "../../../sidecar/scrape/page/page-reader.ts";
import { capture } from "../../../testkit/captures.ts";
import { allEngines, pageReader, type ScrapesOptions } from "../../../testkit/sidecar/page-reader.ts";
import { type PagedPod, page, restrictPage, startPagedPod } from "../../../testkit/sidecar/paged-pod.ts";

const LOAD = capture("load").toString();
const MINUTE = 60_000;

interface Scene {
  pod: PagedPod;
  reader: PageReader;
  /** Scrapes once, `ms` later. Returns the reading and what the pod was asked for. */
  scrape(ms?: number): Promise<{ reading: Reading; asked: string[] }>;
}

async function scene(
  t: TestContext,
  { text = LOAD, ...options }: ScrapesOptions & { text?: string } = {},
): Promise<Scene> {
  const pod = await startPagedPod(text);
  const scrapes = pageReader(pod.url, options);
  t.after(() => scrapes.close());
  t.after(() => pod.close());
  return {
    pod,
    reader: scrapes.reader,
    async scrape(ms) {
      pod.asked = [];
      const reading = await scrapes.scrape(ms);
      return { reading, asked: pod.asked };
    },
  };
}

/** Scrapes until the restricted page is used. */
async function restricted(given: Scene): Promise<Scene> {
  assert.deepEqual((await given.scrape()).asked, ["whole", "restricted"]);
  assert.equal(given.reader.state, "restricted");
  return given;
}

const EXPECTED = allEngines.parse(Buffer.from(LOAD));
/** The signals and counters of a reading, without the number of samples. */
const values = ({ samples, ...rest }: Reading) => rest;
const without = (text: string, name: string) => text.replace(new RegExp(`^${name}[ {].*\\n`, "gm"), "");

test("the first scrape tries the restricted page; from then on only the used samples are asked for, and read the same", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  for (let i = 0; i < 5; i++) {
    const { reading, asked } = await scrape();
    assert.deepEqual(asked, ["restricted"]);
    assert.deepEqual(values(reading), values(EXPECTED));
  }
  assert.ok(pod.names.includes("vllm:num_requests_waiting") && pod.names.includes("process_start_time_seconds"));
  assert.ok(!pod.names.some((name) => name.startsWith("sglang:")));
  assert.equal(reader.cost.pages.whole, 1);
});

for (const name of ["idle", "lora_load", "dp2_load"]) {
  test(`the restricted page of a real server's page reads as the whole page: ${name}`, async (t) => {
    const text = capture(name).toString();
    const { scrape } = await restricted(await scene(t, { text }));
    const { reading, asked } = await scrape();
    assert.deepEqual(asked, ["restricted"]);
    assert.deepEqual(values(reading), values(allEngines.parse(Buffer.from(text))));
  });
}

test("compressed pages are compared by what they contain", async (t) => {
  const { scrape, reader } = await restricted(await scene(t, { gzip: true }));
  const { bytes } = reader.cost;
  const { reading, asked } = await scrape();
  assert.deepEqual(asked, ["restricted"]);
  assert.deepEqual(values(reading), values(EXPECTED));
  assert.ok(reader.cost.bytes - bytes < 1500, "the cost counts bytes as they arrived");
});

test("a path that ends in a slash, and a path with a query, are kept", async (t) => {
  const slash = await scene(t, { path: "/metrics/" });
  for (const asked of [["whole", "restricted"], ["restricted"]]) assert.deepEqual((await slash.scrape()).asked, asked);
  const query = await scene(t, { path: "/metrics?kind=all" });
  assert.deepEqual((await query.scrape()).asked, ["whole", "query"]);
  assert.equal(query.reader.state, "ignored");
});

test("without `scrape.restrict` the whole page is read", async (t) => {
  const { reader, scrape } = await scene(t, { restrict: false });
  for (let i = 0; i < 3; i++) assert.deepEqual((await scrape()).asked, ["whole"]);
  assert.equal(reader.state, "whole");
});

test("a small page and a page of no known engine are not tried", async (t) => {
  const small = await scene(t, { text: "vllm:num_requests_waiting 5\n" });
  const unknown = await scene(t, { text: "python_info 1\n".repeat(1000) });
  for (const { scrape, reader } of [small, unknown]) {
    assert.deepEqual((await scrape()).asked, ["whole"]);
    assert.equal(reader.state, "whole");
  }
});

const cutOff = (body: string) => (request: { socket: { destroy(): void } }, response: never) => {
  const { writeHead, write } = response as {
    writeHead(status: number, headers: object): void;
    write(body: string, sent: () => void): void;
  };
  writeHead.call(response, 200, { "content-length": body.length });
  write.call(response, body.slice(0, body.length / 2), () => request.socket.destroy());
};

/** Faults of a restricted page, and the state that each leads to. */
const FAULTS: Record<string, { restricted: PagedPod["restricted"]; state: string; tries?: string[] }> = {
  "an empty page": { restricted: () => page(""), state: "empty" },
  "a page without one of the samples": {
    restricted: (names) => page(restrictPage(without(LOAD, "vllm:kv_cache_usage_perc"), names)),
    state: "partial",
  },
  "the samples of other names": {
    restricted: () => page(restrictPage(LOAD, ["vllm:num_requests_waiting_by_reason", "python_info"])),
    state: "empty",
  },
  "the whole page, as behind a proxy that drops the query": { restricted: () => page(LOAD), state: "ignored" },
  "status 404": {
    restricted: () => (_request, response) => response.writeHead(404).end(),
    state: "ignored",
    tries: ["restricted", "query"],
  },
  "a redirect": {
    restricted: () => (_request, response) => response.writeHead(307, { location: "/metrics" }).end(),
    state: "ignored",
    tries: ["restricted", "query"],
  },
  "a page that is cut off": {
    restricted: (names) => cutOff(restrictPage(LOAD, names)) as never,
    state: "ignored",
    tries: ["restricted", "query"],
  },
  "no response": { restricted: () => () => {}, state: "ignored", tries: ["restricted", "query"] },
};

/** A page that never comes is waited for until the timeout, so that test has a shorter one. */
const patience = (fault: string) => ({ timeoutMs: fault === "no response" ? 700 : 10_000 });

for (const [what, { restricted: answer, state, tries = ["restricted"] }] of Object.entries(FAULTS)) {
  test(`the restricted page is ${what}: the whole page is read, and the try is repeated after ten minutes, then twenty`, async (t) => {
    const { pod, reader, scrape } = await scene(t, patience(what));
    pod.restricted = answer;
    assert.deepEqual((await scrape()).asked, ["whole", ...tries]);
    assert.equal(reader.state, state);
    for (const wait of [10, 20, 40]) {
      for (const ms of [1000, (wait - 1) * MINUTE]) {
        const { reading, asked } = await scrape(ms);
        assert.deepEqual(asked, ["whole"]);
        assert.deepEqual(values(reading), values(EXPECTED));
      }
      assert.deepEqual((await scrape(MINUTE)).asked, ["whole", ...tries]);
    }
  });

  test(`a restricted page that was good becomes ${what}: the whole page is read in the same scrape`, async (t) => {
    const { pod, reader, scrape } = await restricted(await scene(t, patience(what)));
    pod.restricted = answer;
    const { reading, asked } = await scrape(20_000);
    assert.deepEqual(asked, ["restricted", "whole", ...tries]);
    assert.deepEqual(values(reading), values(EXPECTED));
    assert.equal(reader.state, state);
    assert.deepEqual((await scrape(9 * MINUTE)).asked, ["whole"]);
    pod.restricted = undefined;
    await scrape(30 * MINUTE);
    assert.equal(reader.state, "restricted");
  });
}

test("a server that restarts into multiprocess mode: its page has no start time, and its restricted page is empty", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  pod.page = LOAD.replace(/^process_.*\n/gm, "");
  pod.restricted = () => page("");
  const { reading, asked } = await scrape(20_000);
  assert.deepEqual(asked, ["restricted", "whole", "restricted"]);
  assert.equal(reading.waiting, EXPECTED.waiting);
  assert.equal(reader.state, "empty");
  // Back to one process: the start time shows it.
  pod.page = LOAD;
  pod.restricted = undefined;
  assert.deepEqual((await scrape(20_000)).asked, ["whole", "restricted"]);
  assert.equal(reader.state, "restricted");
});

test("a restart is noticed on the restricted page, which is then compared with the whole page", async (t) => {
  const { pod, scrape } = await restricted(await scene(t));
  assert.deepEqual((await scrape(20_000)).asked, ["restricted"]);
  pod.page = LOAD.replace(/^process_start_time_seconds .*$/m, "process_start_time_seconds 2000000000.5");
  assert.deepEqual((await scrape(1000)).asked, ["restricted", "whole", "restricted"]);
  assert.deepEqual((await scrape(1000)).asked, ["restricted"]);
});

test("a restart ends the wait of a pod that ignored the query", async (t) => {
  const { pod, reader, scrape } = await scene(t);
  pod.restricted = () => page(LOAD);
  await scrape();
  assert.equal(reader.state, "ignored");
  pod.restricted = undefined;
  assert.deepEqual((await scrape(20_000)).asked, ["whole"]);
  pod.page = LOAD.replace(/^process_start_time_seconds .*$/m, "process_start_time_seconds 2000000000.5");
  assert.deepEqual((await scrape()).asked, ["whole", "restricted"]);
  assert.equal(reader.state, "restricted");
});

test("a pod whose start time changes on each page is tried at most every ten seconds", async (t) => {
  const { pod, scrape } = await scene(t);
  let tries = 0;
  for (let i = 0; i < 100; i++) {
    pod.page = LOAD.replace(/^process_start_time_seconds .*$/m, `process_start_time_seconds ${i + 1}`);
    const { reading, asked } = await scrape(100);
    assert.equal(reading.waiting, EXPECTED.waiting);
    if (asked.length > 1) tries++;
  }
  assert.ok(tries <= 2, `${tries} tries in ten seconds`);
});

test("a name that disappears costs one whole page, and is not asked about again", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  pod.page = without(LOAD, "vllm:kv_cache_usage_perc");
  const { reading, asked } = await scrape(20_000);
  assert.deepEqual(asked, ["restricted", "whole", "restricted"]);
  assert.equal(reading.kvUsage, null);
  assert.equal(reader.state, "restricted");
  for (let i = 0; i < 3; i++) {
    pod.page = i === 1 ? LOAD : without(LOAD, "vllm:kv_cache_usage_perc");
    assert.deepEqual((await scrape()).asked, ["restricted"]);
  }
});

test("a rank that disappears from the restricted page alone is a missing sample", async (t) => {
  const text = capture("dp2_load").toString();
  const { pod, reader, scrape } = await restricted(await scene(t, { text }));
  pod.restricted = (names) =>
    page(restrictPage(text.replace(/^vllm:num_requests_waiting\{engine="1".*\n/m, ""), names));
  const { reading, asked } = await scrape(20_000);
  assert.deepEqual(asked, ["restricted", "whole", "restricted"]);
  assert.equal(reading.waiting, allEngines.parse(Buffer.from(text)).waiting);
  assert.equal(reader.state, "partial");
});

test("adapters that are first used later show on the restricted page at once", async (t) => {
  const { pod, scrape } = await restricted(await scene(t));
  assert.equal((await scrape()).reading.adapters, null);
  pod.page = `${LOAD}vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql",waiting_lora_adapters=""} 1.7e9\n`;
  const { reading, asked } = await scrape();
  assert.deepEqual(asked, ["restricted"]);
  assert.deepEqual(reading.adapters, { max: 4, running: ["sql"], waiting: [] });
});

test("a sample that only the whole page ever shows is found by a whole page now and then", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  pod.page = `${LOAD}vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql",waiting_lora_adapters=""} 1.7e9\n`;
  pod.restricted = (names) => page(restrictPage(LOAD, names));
  assert.equal((await scrape()).reading.adapters, null);
  const { reading, asked } = await scrape(MINUTE);
  assert.deepEqual(asked, ["whole", "restricted"]);
  assert.deepEqual(reading.adapters?.running, ["sql"]);
  assert.equal(reader.state, "partial");
});

test("a good restricted page is compared with the whole page every minute, later every ten minutes", async (t) => {
  const { reader, scrape } = await restricted(await scene(t));
  let whole = 0;
  for (let minute = 0; minute < 120; minute++) if ((await scrape(MINUTE)).asked[0] === "whole") whole++;
  assert.equal(reader.state, "restricted");
  assert.ok(whole >= 12 && whole <= 18, `${whole} whole pages in two hours`);
});

test("gauges that are NaN are on both pages", async (t) => {
  const text = LOAD.replace(/^(vllm:(?:num_requests_waiting|kv_cache_usage_perc)\{.*\}) .*$/gm, "$1 NaN");
  const { scrape } = await restricted(await scene(t, { text }));
  const { reading, asked } = await scrape();
  assert.deepEqual(asked, ["restricted"]);
  assert.deepEqual([reading.waiting, reading.kvUsage, reading.running], [null, null, EXPECTED.running]);
});

test("gauges that come and go, as Ray's do, cost whole pages until the next try only", async (t) => {
  const { pod, scrape } = await restricted(await scene(t));
  let whole = 0;
  for (let i = 0; i < 50; i++) {
    pod.page = i % 5 === 0 ? LOAD : without(without(LOAD, "vllm:num_requests_waiting"), "vllm:num_requests_running");
    const { reading, asked } = await scrape(2000);
    assert.equal(reading.waiting, i % 5 === 0 ? EXPECTED.waiting : null);
    if (asked.includes("whole")) whole++;
  }
  // From the first scrape without the gauges to the next try, and the check of the first minute.
  assert.ok(whole <= 6, `${whole} whole pages in 50 scrapes`);
});

test("a pod that is gone costs one request a scrape, and is tried again when it is back", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  await pod.close();
  await assert.rejects(scrape(20_000), { reason: "refused" });
  assert.equal(reader.state, "whole");
  const again = await startPagedPod(LOAD, Number(new URL(pod.url).port));
  t.after(() => again.close());
  await scrape();
  assert.deepEqual(again.asked, ["whole", "restricted"]);
  assert.equal(reader.state, "restricted");
});

test("a pod whose pages all fail is asked for both once, then for the whole page alone", async (t) => {
  const { pod, scrape } = await restricted(await scene(t));
  const error: PagedPod["whole"] = (_request, response) => response.writeHead(500).end();
  pod.whole = error;
  pod.restricted = () => error as never;
  await assert.rejects(scrape(20_000), { reason: "status" });
  assert.deepEqual(pod.asked, ["restricted", "whole"]);
  await assert.rejects(scrape(), { reason: "status" });
  assert.deepEqual(pod.asked, ["whole"]);
});

test("a server that restarts and has no engine yet is read whole until its page can be restricted", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  pod.page = "process_start_time_seconds 2000000000.5\n";
  for (const asked of [["restricted", "whole"], ["whole"]]) {
    assert.deepEqual((await scrape(20_000)).asked, asked);
    assert.notEqual(reader.state, "restricted");
  }
  pod.page = LOAD.replace(/^process_start_time_seconds .*$/m, "process_start_time_seconds 2000000000.5");
  const { reading } = await scrape(20_000);
  assert.equal(reading.waiting, EXPECTED.waiting);
  assert.deepEqual((await scrape(20_000)).asked, ["restricted"]);
});

test("a pod that is replaced by another server is asked for the other server's names", async (t) => {
  const { pod, reader, scrape } = await restricted(await scene(t));
  pod.page = LOAD.replaceAll("vllm:", "ray_vllm_");
  const { reading, asked } = await scrape(20_000);
  assert.deepEqual(asked, ["restricted", "whole", "restricted"]);
  assert.equal(reading.engine, "ray");
  assert.equal(reader.state, "restricted");
  assert.ok(pod.names.every((name) => name.startsWith("ray_")));
});
