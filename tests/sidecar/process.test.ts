// The sidecar as a process: flags, exit codes, signals, reloads, and its own endpoints.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { METRICS } from "../../sidecar/metric-list.ts";
import { SECRET, startFilter } from "../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../testkit/sidecar/fake-pod.ts";
import { quickSidecar } from "../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../testkit/until.ts";

const MAIN = fileURLToPath(new URL("../../sidecar/main.ts", import.meta.url));

interface Run {
  out: string;
  err: string;
  code: number | null | undefined;
  signal(name: NodeJS.Signals): void;
}

function pilotfish(t: TestContext, ...args: string[]): Run {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...args], {
    env: { PATH: process.env.PATH, PILOTFISH_SECRET: SECRET },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const run: Run = { out: "", err: "", code: undefined, signal: (name) => void child.kill(name) };
  child.stdout.on("data", (data) => (run.out += data));
  child.stderr.on("data", (data) => (run.err += data));
  child.on("close", (code) => (run.code = code));
  t.after(() => void child.kill("SIGKILL"));
  return run;
}

const ended = (run: Run) => until("the end", () => run.code !== undefined);

test("--help lists every flag on stdout, and exits with 0", async (t) => {
  const run = pilotfish(t, "--help");
  await ended(run);
  assert.equal(run.code, 0);
  for (const flag of ["--config", "--endpoint", "--dns", "--push", "--listen", "--scrape-interval", "--check"]) {
    assert.ok(run.out.includes(flag), flag);
  }
});

test("wrong flags and wrong configurations end with code 2 and a line for each problem", async (t) => {
  const flag = pilotfish(t, "--endpoints", "x");
  const values = pilotfish(t, "--endpoint", "pod:1", "--scrape-interval", "fast", "--push", "http://127.0.0.1:1");
  const name = pilotfish(t, "--dns", "a:b");
  for (const run of [flag, values, name]) {
    await ended(run);
    assert.equal(run.code, 2);
    assert.equal(run.out, "");
  }
  assert.match(flag.err, /unknown option '--endpoints'\n\(Did you mean --endpoint\?\)/);
  assert.deepEqual(values.err.trim().split("\n"), [
    'pilotfish: endpoints[0].url: got "pod:1", expected http://host:port without a path',
    'pilotfish: scrape.interval: got "fast", expected a duration from 10ms to 10m, such as 100ms or 2s',
  ]);
  assert.match(name.err, /expected name:port/);
});

test("--check reports whether the configuration is valid, and starts nothing", async (t) => {
  const run = pilotfish(t, "--check", "--endpoint", "http://127.0.0.1:1", "--push", "http://127.0.0.1:1");
  await ended(run);
  assert.deepEqual([run.code, run.out], [0, "configuration: good\n"]);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} ends the sidecar with code 0, even if a pod hangs and connections are open, and no log line has the secret`, async (t) => {
    const pods = [await startPod(), await startPod()];
    const filter = await startFilter();
    for (const server of [...pods, filter]) t.after(() => server.close());
    (pods[1] as (typeof pods)[0]).metrics = () => {};
    const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "pilotfish.yaml");
    // The timeout is longer than this test waits. If the end waited for the hanging pod, the test would fail.
    writeFileSync(file, "scrape: {timeout: 1m}\npush: {timeout: 1m}\n");
    const endpoints = pods.flatMap((pod) => ["--endpoint", pod.url]);
    const flags = [...endpoints, "--push", filter.url, "--listen", "127.0.0.1:0", "--log-level", "debug"];
    const run = pilotfish(t, "--config", file, ...flags);
    await until("a push", () => filter.stored);
    const url = /"url":"http:\/\/127\.0\.0\.1:([0-9]+)"/.exec(run.err);
    const idle = connect(Number(url?.[1]), "127.0.0.1");
    idle.on("error", () => {});
    t.after(() => void idle.destroy());
    await until("a connection", () => idle.readyState === "open");
    run.signal(signal);
    await ended(run);
    assert.equal(run.code, 0);
    assert.match(run.err, /"msg":"sidecar ended"/);
    assert.ok(!run.err.includes(SECRET) && !run.out.includes(SECRET));
  });
}

test("a changed file is read on SIGHUP and without a signal; a wrong file is refused with its problems", async (t) => {
  const [a, b] = [await startPod(), await startPod()];
  const filter = await startFilter();
  for (const server of [a, b, filter]) t.after(() => server.close());
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "pilotfish.yaml");
  const write = (...urls: string[]) =>
    writeFileSync(file, `endpoints: [${urls.map((url) => `"${url}"`).join(", ")}]\n`);
  write(a.url);
  const run = pilotfish(t, "--config", file, "--push", filter.url, "--listen", "127.0.0.1:0");
  const stored = () => filter.stored?.endpoints.map((endpoint) => endpoint.address).sort();
  await until("a push", () => stored()?.length === 1);
  write(a.url, "http://nowhere/path");
  run.signal("SIGHUP");
  await until("the refusal", () => run.err.includes("changed configuration refused"));
  assert.match(run.err, /endpoints\[1\]\.url: got/);
  assert.deepEqual(stored(), [a.address]);
  write(a.url, b.url);
  run.signal("SIGHUP");
  await until("the second pod", () => stored()?.length === 2);
  write(b.url);
  await until("one pod again, without a signal", () => stored()?.length === 1);
  assert.deepEqual(stored(), [b.address]);
  run.signal("SIGTERM");
  await ended(run);
  assert.equal(run.code, 0);
});

test("an address in use ends the sidecar with code 1 and an error message", async (t) => {
  const filter = await startFilter();
  t.after(() => filter.close());
  const run = pilotfish(t, "--endpoint", "http://127.0.0.1:1", "--push", filter.url, "--listen", filter.address);
  await ended(run);
  assert.equal(run.code, 1);
  assert.match(run.err, /pilotfish: listen EADDRINUSE/);
});

test("the sidecar is alive from the start and ready from the first accepted push, and shows metrics as Prometheus text", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  for (const server of [pod, filter]) t.after(() => server.close());
  filter.secret = "another";
  const sidecar = await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  const get = async (path: string, method = "GET") => {
    const response = await fetch(sidecar.url + path, { method });
    return { status: response.status, body: await response.text() };
  };
  await until("a refusal", () => filter.answers.includes(401));
  assert.equal((await get("/healthz")).status, 200);
  const before = await get("/readyz");
  assert.equal(before.status, 503);
  assert.match(before.body, /unauthenticated/);
  filter.secret = SECRET;
  await until("ready", () => sidecar.readiness().ready);
  assert.deepEqual(await get("/readyz"), { status: 200, body: '{"ready":true,"reasons":[]}\n' });
  const { body } = await get("/metrics");
  assert.match(body, new RegExp(`^pilotfish_endpoint_ready\\{endpoint="${pod.address}"\\} 1$`, "m"));
  assert.match(body, new RegExp(`^pilotfish_scrapes_total\\{endpoint="${pod.address}",result="ok"\\} [1-9]`, "m"));
  assert.match(body, /^pilotfish_snapshot_bytes [1-9]/m);
  const shown = [...body.matchAll(/^# TYPE ((?:pilotfish|inference_pool)_\w+) (\w+)$/gm)].map(([, ...row]) =>
    row.join(" "),
  );
  const listed = Object.values(METRICS).map(({ name, type }) => `${name} ${type}`);
  assert.deepEqual(shown.sort(), listed.sort());
  assert.equal((await get("/nothing")).status, 404);
  assert.equal((await get("/metrics", "POST")).status, 405);
});
