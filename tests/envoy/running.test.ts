import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isAlive } from "../../testkit/command.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";
import { passingFilter } from "./wasm.ts";

// Three pods that answer with their number. A pod answers 503 if the header x-fail names it.
const pods: http.Server[] = [];
const hosts: string[] = [];
let folder: string;
let envoy: TestEnvoy;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotfish-running-"));
  for (let i = 0; i < 3; i++) {
    const pod = http.createServer((request, response) => {
      request.resume().on("end", () => {
        response.statusCode = request.headers["x-fail"] === String(i) ? 503 : 200;
        response.end(String(i));
      });
    });
    await new Promise<void>((done) => pod.listen(0, "127.0.0.1", done));
    pods.push(pod);
    hosts.push(`127.0.0.1:${(pod.address() as AddressInfo).port}`);
  }
  // This Envoy restarts on its ports, so they must not be ports that other tests may get.
  const [port, adminPort, snapshotPort, plainPort] = (await freePorts(4)) as [number, number, number, number];
  envoy = await startEnvoy(
    {
      port,
      adminPort,
      pools: [{ name: "pool", models: ["m"], endpoints: hosts }],
      wasm: { file: await passingFilter(folder), configuration: {}, secret: "s" },
      snapshotPort,
      plainPort,
      accessLogFormat: { status: "%RESPONSE_CODE%", attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%" },
    },
    { concurrency: 2 },
  );
});

after(async () => {
  await envoy?.close();
  for (const pod of pods) pod.close().closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

async function ask(list: number[] | undefined, headers: Record<string, string> = {}, url = envoy.url) {
  const destination: Record<string, string> = list
    ? { "x-gateway-destination-endpoint": list.map((i) => hosts[i]).join(",") }
    : {};
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    body: "{}",
    headers: { "x-gateway-model-name": "m", ...destination, ...headers },
  });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

describe("a real Envoy with this configuration", () => {
  test("sends a request to the first entry of the destination list", async () => {
    for (const i of [0, 1, 2, 2, 1, 0]) assert.equal((await ask([i, (i + 1) % 3])).text, String(i));
  });

  test("retries a 503 on the next entry of the list", async () => {
    assert.deepEqual(await ask([2, 0], { "x-fail": "2" }), { status: 200, type: null, text: "0" });
    assert.deepEqual(await ask([2, 1], { "x-fail": "2" }), { status: 200, type: null, text: "1" });
  });

  test("balances requests without a list, and with a list of unknown addresses", async () => {
    assert.equal((await ask(undefined)).status, 200);
    assert.equal((await ask(undefined, { "x-gateway-destination-endpoint": "192.0.2.1:80" })).status, 200);
  });

  test("answers an unknown model with 404 in OpenAI's shape", async () => {
    const { status, type, text } = await ask([0], { "x-gateway-model-name": "other" });
    assert.equal(status, 404);
    assert.equal(type, "application/json");
    assert.equal(JSON.parse(text).error.code, "model_not_found");
  });

  test("has a listener for snapshots that reaches no pod, and a plain one that does", async () => {
    assert.equal((await ask([0], {}, envoy.snapshotUrl)).status, 404);
    assert.equal((await ask([1], {}, envoy.plainUrl)).text, "1");
  });

  test("accepts a body far above the buffer limit as long as no filter buffers it", async () => {
    const response = await fetch(`${envoy.url}/`, {
      method: "POST",
      body: new Uint8Array(12 << 20),
      headers: { "x-gateway-model-name": "m" },
    });
    assert.equal(response.status, 200);
  });

  test("writes the access log and the counters that the test reads", async () => {
    const count = async () => (await envoy.stats("^http.llm.downstream_rq_2xx$")).get("http.llm.downstream_rq_2xx");
    const earlier = (await count()) ?? 0;
    await ask([0, 1], { "x-fail": "0" });
    assert.equal(await count(), earlier + 1);
    const wanted = '{"attempts":2,"status":200}';
    await until("its line in the log", async () => (await envoy.accessLog()).at(-1) === wanted);
  });

  test("gives connections to both workers", async () => {
    await Promise.all(Array.from({ length: 8 }, () => ask([0])));
    const stats = await envoy.stats("^listener.llm.worker_[01].downstream_cx_total$");
    const workers = [...stats];
    assert.equal(workers.length, 2);
    for (const [name, connections] of workers) assert.ok(connections > 0, name);
  });

  test("keeps its ports over a restart and after a kill", async () => {
    const ports = envoy.ports;
    await envoy.restart();
    assert.deepEqual(envoy.ports, ports);
    await envoy.kill();
    await assert.rejects(ask([0]));
    await envoy.start();
    assert.deepEqual(envoy.ports, ports);
    assert.equal((await ask([2])).text, "2");
  });

  test("refuses a port that another Envoy has, instead of sharing its traffic", async () => {
    const pools = [{ name: "pool", models: ["m"], endpoints: hosts }];
    await assert.rejects(startEnvoy({ pools, port: envoy.port }), /Address already in use/);
  });

  test("an Envoy that refuses its configuration fails with its last lines", async () => {
    const pools = [{ name: "pool", models: ["m"], endpoints: hosts }];
    const started = startEnvoy({ pools, edit: (bootstrap) => Object.assign(bootstrap, { no_such_thing: 1 }) });
    await assert.rejects(started, { code: "ENVOY_START", message: /no_such_thing/ });
  });
});

test("an Envoy ends with the process that started it, even by a signal", async () => {
  const pidFile = join(folder, "pid");
  const script = join(folder, "starter.mts");
  const harness = new URL("../../testkit/envoy/test-envoy.ts", import.meta.url).href;
  await writeFile(
    script,
    `import { writeFileSync } from "node:fs";
    const { startEnvoy } = await import(${JSON.stringify(harness)});
    const envoy = await startEnvoy({ pools: [] });
    writeFileSync(${JSON.stringify(pidFile)}, String(envoy.pid));
    process.stdout.write("up");
    setInterval(() => undefined, 1000);`,
  );
  const starter = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((up, fail) => {
    starter.stdout.once("data", up);
    starter.once("exit", () => fail(new Error("the starter ended early")));
  });
  const pid = Number(await readFile(pidFile, "utf8"));
  assert.ok(isAlive(pid));
  const [, signal] = await new Promise<[number | null, string | null]>((done) => {
    starter.on("exit", (...how) => done(how));
    starter.kill("SIGTERM");
  });
  assert.equal(signal, "SIGTERM");
  await until("the Envoy's end", () => !isAlive(pid));
});
