// A whole sidecar with pods that restrict their pages, stop doing so, or never did. No pod becomes unknown by it, and the status
// page and the metrics show the pages and their cost.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Sidecar } from "../../../sidecar/sidecar.ts";
import type { Status } from "../../../sidecar/status/status.ts";
import { capture } from "../../../testkit/captures.ts";
import { type FakeFilter, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { type PagedPod, page, startPagedPod } from "../../../testkit/sidecar/paged-pod.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const DP2 = capture("dp2_load").toString();

interface Scene {
  pod: PagedPod;
  filter: FakeFilter;
  sidecar: Sidecar;
  scrapes(): Promise<Status["pods"][number]["scrapes"]>;
}

async function scene(t: TestContext, prepare: (pod: PagedPod) => void = () => {}, more = {}): Promise<Scene> {
  const pod = await startPagedPod(DP2);
  prepare(pod);
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url], more });
  const scrapes = async () => {
    const status = (await (await fetch(`${sidecar.url}/status`)).json()) as Status;
    return status.pods[0]?.scrapes ?? null;
  };
  return { pod, filter, sidecar, scrapes };
}

test("status page and metrics show the restricted page and its cost", async (t) => {
  const { pod, sidecar, scrapes } = await scene(t);
  await until("restricted pages", () => pod.asked.filter((asked) => asked === "restricted").length > 5);
  const seen = await until("the state", async () => {
    const now = await scrapes();
    return now !== null && now.page === "restricted" && now.pages > 5 ? now : undefined;
  });
  assert.ok(seen.leastMs !== null && seen.leastMs > 0);
  assert.ok(seen.share > 0 && seen.share <= 1);
  assert.ok(seen.bytes > DP2.length && seen.bytes < DP2.length + seen.pages * 8000, `${seen.bytes} bytes`);
  const metrics = await (await fetch(`${sidecar.url}/metrics`)).text();
  const value = (series: string) => {
    const line = metrics.split("\n").find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  const endpoint = `endpoint="${pod.address}"`;
  assert.equal(value(`pilotfish_scrape_page{${endpoint},page="restricted"}`), 1);
  assert.equal(value(`pilotfish_scrape_pages_total{${endpoint},kind="whole"}`), 1);
  assert.ok(value(`pilotfish_scrape_pages_total{${endpoint},kind="restricted"}`) > 5);
  assert.ok(value(`pilotfish_scrape_bytes_total{${endpoint}}`) > DP2.length);
  assert.ok(value(`pilotfish_scrape_answer_seconds{${endpoint}}`) > 0);
  const share = value(`pilotfish_scrape_share{${endpoint}}`);
  assert.ok(share > 0 && share <= 1);
});

test("a pod that ignores the query is asked for its whole page only, after one try", async (t) => {
  const { pod, scrapes } = await scene(t, (each) => {
    each.restricted = () => page(DP2);
  });
  await until("ten pages", () => pod.asked.length > 10);
  assert.deepEqual(pod.asked.slice(0, 2), ["whole", "restricted"]);
  assert.ok(pod.asked.slice(2).every((asked) => asked === "whole"));
  assert.equal((await scrapes())?.page, "ignored");
});

test("`scrape.restrict: false` never tries", async (t) => {
  const { pod, scrapes } = await scene(t, () => {}, { scrape: { interval: "20ms", restrict: false } });
  await until("ten pages", () => pod.asked.length > 10);
  assert.ok(pod.asked.every((asked) => asked === "whole"));
  assert.equal((await scrapes())?.page, "whole");
});

const FAULTS: Record<string, PagedPod["restricted"]> = {
  "becomes empty": () => page(""),
  fails: () => (_request, response) => response.writeHead(500).end(),
  "is reset": () => (request) => request.socket.destroy(),
  "loses samples": () => page('vllm:num_requests_waiting{engine="0"} 1\n'),
};

for (const [what, fault] of Object.entries(FAULTS)) {
  test(`a restricted page ${what}: the pod stays ready, and its newest numbers arrive`, async (t) => {
    const { pod, filter, scrapes } = await scene(t);
    await until("restricted pages", async () => (await scrapes())?.page === "restricted");
    const states: Array<boolean | undefined> = [];
    pod.restricted = fault;
    pod.page = DP2.replace(/^(vllm:num_requests_waiting\{.*\}) .*$/gm, "$1 50");
    await until("the newest numbers", () => {
      const endpoint = endpointOf(filter.stored, pod.address);
      states.push(endpoint?.ready);
      return endpoint?.waiting === 100;
    });
    assert.ok(states.every((ready) => ready === true));
    assert.notEqual((await scrapes())?.page, "restricted");
  });
}
