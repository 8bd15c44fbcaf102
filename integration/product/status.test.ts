// The sidecar's status page: headless Chromium loads it from a sidecar that feeds a real Envoy. PILOTFISH_SCREENSHOT=file.png writes
// the picture docs/images/status-page.png.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Status } from "../../sidecar/status/status.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known, SLOW } from "../../testkit/fleet.ts";
import { chat, post } from "../../testkit/http.ts";
import { inParallel, until } from "../../testkit/until.ts";

const run = promisify(execFile);

let pods: Pod[];
let envoy: TestEnvoy;
let sidecar: Sidecar;

around(
  async () => {
    const adapters = { models: [{ id: "llama-3.1-8b", adapters: ["sql-lora"] }] };
    pods = await Promise.all([
      fastPod("a", "llama-3.1-8b", adapters),
      fastPod("b", "llama-3.1-8b", { ...adapters, params: { ...SLOW, outputTokens: 400 } }),
      fastPod("c", '<img src=x onerror="document.title=1">'),
    ]);
    const pools = [{ name: "all", models: ["llama-3.1-8b", "sql-lora"], endpoints: pods.map((p) => p.address) }];
    envoy = await startGateway({ pools, defaultPool: "all" }, 2);
    sidecar = await feed({ pods, envoys: [envoy] });
    await known(envoy, "llama-3.1-8b");
  },
  async () => {
    await sidecar?.close();
    await envoy?.close();
    for (const pod of pods ?? []) await pod.close();
  },
);

async function chromium(): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      const path = join(folder, name);
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
  }
  return undefined;
}

const status = async (): Promise<Status> => (await fetch(`${sidecar.url}/status`)).json() as Promise<Status>;

test("/status shows the pods' metrics, Envoy's picks, and the reasons for missing picks", async () => {
  await inParallel(20, 4, async () => void (await post(envoy.url, chat("sql-lora"))));
  await post(envoy.url, chat("nobody-serves-this"));
  const seen = await until("the counts", async () => {
    const now = await status();
    const { filter, result } = now.targets[0] ?? {};
    if (filter === undefined || !("metrics" in filter) || result !== "ok") return undefined;
    const { "pilotfish.picked": picked = 0, "pilotfish.unknown_model": unknown = 0 } = filter.metrics;
    const young = now.pods.every(({ ageMs }) => ageMs !== null && ageMs < 5000);
    return picked >= 20 && unknown > 0 && young ? now : undefined;
  });
  assert.equal(seen.readiness.ready, true);
  assert.equal(seen.pods.length, 3);
  for (const pod of seen.pods) assert.equal(pod.state, "ready");
  const target = seen.targets[0];
  assert.ok(target && "metrics" in target.filter);
  assert.equal(target.filter.stale, false);
  assert.equal(target.filter.metrics["pilotfish.unknown_model"], 1);
  assert.equal(target.filter.endpoints.length, 3);
});

test("/status says why an Envoy does not answer", async () => {
  const alone = await feed({ pods, envoys: [{ url: "http://127.0.0.1:1" } as TestEnvoy] });
  try {
    const { targets } = (await (await fetch(`${alone.url}/status`)).json()) as Status;
    assert.match(JSON.stringify(targets), /"filter":\{"error":"ECONNREFUSED/);
  } finally {
    await alone.close();
  }
});

test("the page loads nothing from other origins", async () => {
  const page = await fetch(sidecar.url);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(
    page.headers.get("content-security-policy") ?? "",
    /^default-src 'none'; style-src 'sha256-[^ ]+; script-src 'sha256-/,
  );
  assert.ok(!/(?:src|href)=|https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(await page.text()));
});

test("headless Chromium shows pools, pods with graphs, and Envoys; text of a pod is never markup", async (t) => {
  const browser = await chromium();
  if (browser === undefined) return t.skip("no Chromium on PATH (Debian: apt-get install chromium)");
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-page-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  let traffic = true;
  const client = inParallel(4, 4, async (i) => {
    while (traffic) await post(envoy.url, chat(i % 2 ? "llama-3.1-8b" : "sql-lora"));
  });
  const picture = process.env.PILOTFISH_SCREENSHOT ?? join(folder, "page.png");
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];
  flags.push(
    "--disable-background-networking",
    "--disable-component-update",
    `--user-data-dir=${join(folder, "profile")}`,
  );
  try {
    const shown = await run(
      browser,
      [
        ...flags,
        "--window-size=1240,640",
        "--virtual-time-budget=6500",
        `--screenshot=${picture}`,
        "--dump-dom",
        sidecar.url,
      ],
      { timeout: 60_000, maxBuffer: 8 << 20 },
    );
    const dom = shown.stdout;
    assert.match(dom, /data-looks="[3-9]/, "the page read the status several times");
    for (const pod of pods) assert.ok(dom.includes(pod.address), pod.address);
    assert.ok((dom.match(/<polyline points="[0-9]/g) ?? []).length >= 12, "graphs");
    assert.match(dom, /unknown model 1</);
    assert.ok(dom.includes(envoy.url));
    assert.ok(dom.includes("&lt;img src=x"), "a model's name is shown as text");
    assert.ok(!dom.includes("<img"));
    await access(picture);
  } finally {
    traffic = false;
    await client;
  }
});
