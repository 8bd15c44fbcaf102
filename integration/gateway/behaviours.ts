// The behaviour on which a client, a sidecar and an admin can rely in every set-up. The same tests run against each mode of Envoy
// Gateway and against a plain Envoy.

import assert from "node:assert/strict";
import http from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  DESTINATION_HEADER,
  MODEL_HEADER,
  REPORT_HEADER,
  SECRET_HEADER,
  SNAPSHOT_PATH,
} from "../../protocol/constants.ts";
import { decodeReport } from "../../protocol/traffic-report.ts";
import { parseConfig } from "../../sidecar/config/load.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { type Echo, valuesOf } from "../../testkit/echo.ts";
import { type Models, nextVersion, push, readBack, SECRET, snapshotOf } from "../../testkit/envoy/filter-envoy.ts";
import { ADAPTER, fleet, GEMMA, type Pods, QWEN, SLOW_MODEL } from "../../testkit/envoy-gateway/model-servers.ts";
import { type Answer, answerOf, chat, JSON_TYPE, open, post, send } from "../../testkit/http.ts";
import { inParallel, until } from "../../testkit/until.ts";
import { overHttp2 } from "./http2-client.ts";

/**
 * A request waits if its pool is full. The limits are far above the loads of the tests about picks, and a snapshot that is pushed
 * once never becomes stale.
 */
export const HOLDING = {
  mode: "hold",
  objectives: { batch: -1 },
  saturation: { queueDepthThreshold: 1000, kvCacheUtilThreshold: 1, metricsStalenessThreshold: "3600s" },
  hold: { timeout: "120s" },
};
/** Body limit in bytes of all set-ups. */
export const BODY_LIMIT = 4 * 1024 * 1024;

export interface Subject {
  url: string;
  plainUrl: string;
  stats(filter: string): Promise<Map<string, number>>;
  /** True if a 404 has no body: only a plain Envoy has a catch-all route with a body. */
  emptyNotFound?: boolean;
  /** Headers that a client needs to pass authentication. */
  credentials?: Record<string, string>;
}

export const counterOf = async (subject: Subject, name: string): Promise<number> =>
  (await subject.stats(`^wasmcustom\\.pilotfish\\.${name.replaceAll(".", "\\.")}$`)).get(
    `wasmcustom.pilotfish.${name}`,
  ) ?? 0;

/** The filter averages reported loads over this time. A snapshot that comes sooner would count only in part. */
const AVERAGED_MS = 2000;

/**
 * Pushes a snapshot twice. Its versions are a whole averaging time apart, so its loads replace the earlier ones: a load that others
 * cause is believed with the second scrape that shows it.
 */
export async function pushEverywhere(subject: Subject, models: Models): Promise<void> {
  await pushToAll(subject, models);
  await pushToAll(subject, models);
  // A worker compares the scrapes of a new snapshot with its counts on its next tick. A busy worker ticks every 20 ms, and a request
  // wakes an idle worker.
  await sleep(100);
}

/** Pushes a snapshot and waits until 32 concurrent connections all read it back, so that every worker has it. */
async function pushToAll(subject: Subject, models: Models): Promise<void> {
  const answer = await push(subject.url, snapshotOf(models, nextVersion(AVERAGED_MS)));
  assert.equal(answer.status, 200, answer.text);
  const { version } = answer.json as { version: string };
  await until("the snapshot at every worker", async () => {
    const seen = await Promise.all(Array.from({ length: 32 }, () => readBack(subject.url)));
    return seen.every(({ status, json }) => status === 200 && json.version === version);
  });
}

export function behaviours(started: () => { subject: Subject; pods: Pods }): void {
  let subject: Subject;
  let pods: Pods;
  const it = (name: string, body: () => Promise<void>) =>
    test(name, async () => {
      ({ subject, pods } = started());
      await body();
    });
  const headers = (more: Record<string, string> = {}) => ({ ...JSON_TYPE, ...subject.credentials, ...more });
  const ask = (model: unknown, more: Record<string, string> = {}): Promise<Answer> =>
    post(subject.url, chat(model), { headers: headers(more) });

  it("a request goes to the pods of the model that its body names", async () => {
    await pushEverywhere(subject, fleet(pods));
    await inParallel(40, 4, async (i) => {
      const answer = await ask(i % 2 === 0 ? GEMMA : QWEN);
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.pod ?? "", i % 2 === 0 ? /^gemma-/ : /^qwen-/);
    });
  });

  it("a request for an adapter goes to the pods of its base model", async () => {
    await pushEverywhere(subject, fleet(pods));
    const answer = await ask(ADAPTER);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.pod ?? "", /^gemma-/);
  });

  it("the pick is followed: the idle endpoint gets every request, and the other one after the loads are swapped", async () => {
    const busy = { waiting: 60, running: 60, kvUsage: 0.9 };
    for (const [idle, one, two] of [
      ["gemma-1", {}, busy],
      ["gemma-2", busy, {}],
    ] as const) {
      await pushEverywhere(subject, fleet(pods, one, two));
      const before = await subject.stats("^wasmcustom\\.pilotfish\\.");
      const servedBy: (string | undefined)[] = [];
      // Asserted after all requests have ended: requests that outlive a failed test would count in the next test.
      await inParallel(24, 2, async () => void servedBy.push((await ask(GEMMA)).pod));
      const wrong = servedBy.filter((pod) => pod !== idle);
      const rose = [...(await subject.stats("^wasmcustom\\.pilotfish\\."))]
        .map(([name, value]) => [name.slice("wasmcustom.pilotfish.".length), value - (before.get(name) ?? 0)])
        .filter(([, rise]) => rise !== 0);
      assert.deepEqual(wrong, [], `expected ${idle}; counters rose: ${JSON.stringify(rose)}`);
    }
    assert.equal(await counterOf(subject, "setup.not_followed"), 0);
  });

  it("an unknown model is a 404 that OpenAI's clients understand", async () => {
    const answer = await ask("no-such-model");
    assert.equal(answer.status, 404);
    if (subject.emptyNotFound) return;
    assert.equal(answer.json.error.code, "model_not_found");
    assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
  });

  it("the plain listener is untouched", async () => {
    const before = await counterOf(subject, "requests");
    const answer = await post(subject.plainUrl, "{not json", { headers: { ...JSON_TYPE, [MODEL_HEADER]: QWEN } });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.pod ?? "", /^qwen-/);
    assert.equal(pods.qwen.last().body.toString(), "{not json");
    assert.equal(await counterOf(subject, "requests"), before);
  });

  it("control headers of a client steer nothing", async () => {
    await pushEverywhere(subject, fleet(pods, {}, { ready: false }));
    const spoofed = {
      [MODEL_HEADER]: QWEN,
      "x-gateway-base-model-name": QWEN,
      [DESTINATION_HEADER]: pods.gemma[1].address,
    };
    for (let i = 0; i < 8; i++) assert.equal((await ask(GEMMA, spoofed)).pod, "gemma-1");
    assert.deepEqual(valuesOf(pods.gemma[0].last(), MODEL_HEADER), [GEMMA]);
    const bodiless = await send(subject.url, { path: "/v1/nothing", headers: headers(spoofed) });
    assert.equal(bodiless.status, 404, "without a body there is no model, whatever the header says");
  });

  for (const protocol of ["HTTP/1.1", "HTTP/2"] as const) {
    it(`a body of 2 MB arrives whole over ${protocol}`, async () => {
      await pushEverywhere(subject, fleet(pods));
      const body = large(2_000_000);
      const answer = await sendBy(protocol, body);
      assert.equal(answer.status, 200, answer.text.slice(0, 200));
      assert.match(answer.pod ?? "", /^gemma-/);
      const pod = pods.gemma.find(({ name }) => name === answer.pod) as Echo;
      assert.ok(pod.last().body.equals(body), "byte for byte");
    });

    it(`a body over the limit is a 413 over ${protocol}, and the next request is served`, async () => {
      assert.equal((await sendBy(protocol, large(BODY_LIMIT + 1_000_000))).status, 413);
      assert.equal((await sendBy(protocol, large(1000))).status, 200);
    });
  }

  it("a chunked body without a length is read", async () => {
    const bytes = Buffer.from(JSON.stringify(chat(QWEN)));
    const pieces = Array.from({ length: 8 }, (_, i) => bytes.subarray(i * 10, i === 7 ? undefined : (i + 1) * 10));
    const answer = await send(subject.url, { headers: headers(), body: Readable.from(pieces) });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.pod ?? "", /^qwen-/);
  });

  it("a request with trailers after its body is answered", async () => {
    const answer = await withTrailers(Buffer.from(JSON.stringify(chat(QWEN))));
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.pod ?? "", /^qwen-/);
    assert.deepEqual(pods.qwen.last().body, Buffer.from(JSON.stringify(chat(QWEN))));
  });

  it("GET /v1/models lists the models of the snapshot; a GET without a route is a 404", async () => {
    await pushEverywhere(subject, fleet(pods));
    const list = await send(subject.url, { path: "/v1/models", headers: headers() });
    assert.equal(list.status, 200, list.text);
    const ids = (list.json.data as { id: string }[]).map(({ id }) => id).sort();
    assert.deepEqual(ids, [ADAPTER, GEMMA, QWEN, SLOW_MODEL].sort());
    assert.equal((await send(subject.url, { path: "/nowhere", headers: headers() })).status, 404);
    const one = await send(subject.url, { path: `/v1/models/${GEMMA}`, headers: headers() });
    assert.equal(one.json.id, GEMMA);
  });

  it("the filter does not hold a WebSocket's request: the router answers that it has no route or allows no upgrade", async () => {
    const asking = { ...headers(), connection: "Upgrade", upgrade: "websocket" };
    const answer = await send(subject.url, {
      path: "/v1/realtime",
      headers: asking,
      signal: AbortSignal.timeout(5000),
    });
    assert.ok(answer.status === 404 || answer.status === 403, `${answer.status}`);
  });

  it("a body that is no JSON is a 400, and reaches no pod", async () => {
    const before = pods.gemma[0].seen.length + pods.gemma[1].seen.length;
    const answer = await post(subject.url, `{"model":"${GEMMA}",`, { headers: headers() });
    assert.equal(answer.status, 400);
    assert.equal(answer.json.error.type, "invalid_request_error");
    assert.equal(pods.gemma[0].seen.length + pods.gemma[1].seen.length, before);
  });

  it("a streamed answer arrives token by token", async () => {
    await pushEverywhere(subject, fleet(pods));
    const body = chat(SLOW_MODEL, { stream: true, max_tokens: 40 });
    const answer = await post(subject.url, body, { headers: headers() });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.chunks.length >= 6, `${answer.chunks.length} pieces`);
    assert.match(answer.text, /data: \[DONE\]/);
  });

  it("after aborted requests nothing is counted as in flight", async () => {
    await pushEverywhere(subject, fleet(pods));
    const bytes = Buffer.from(JSON.stringify(chat(SLOW_MODEL, { stream: true, max_tokens: 400 })));
    await inParallel(150, 10, (i) => abortAt(i, bytes));
    await until("no request in flight", async () => {
      const active = await subject.stats("^(http\\..*\\.downstream_rq_active|cluster\\..*\\.upstream_rq_active)$");
      const busy = [...active].filter(([name, value]) => !/admin|stats|xds_cluster/.test(name) && value > 0);
      return busy.length === 0 && (await counterOf(subject, "in_flight")) === 0;
    });
    assert.equal((await ask(GEMMA)).status, 200);
  });

  it("requests wait while their pool is full, sheddable requests are refused, and all waiting requests go on when there is room", async () => {
    await pushEverywhere(subject, fleet(pods, {}, {}, { waiting: 5000 }));
    const before = pods.qwen.seen.length;
    const waiting = Promise.all(Array.from({ length: 6 }, () => ask(QWEN)));
    await until("six waiting requests", async () => (await counterOf(subject, "hold.now")) === 6);
    const shed = await ask(QWEN, { "x-gateway-inference-objective": "batch" });
    assert.equal(shed.status, 429, shed.text);
    assert.equal((await ask(GEMMA)).status, 200, "a request for another pool, which has room");
    assert.equal(pods.qwen.seen.length, before, "no request has reached the full pool");
    await pushEverywhere(subject, fleet(pods));
    for (const { status, pod, text } of await waiting) assert.deepEqual([status, pod], [200, "qwen-1"], text);
    await until("no waiting request", async () => (await counterOf(subject, "hold.now")) === 0);
  });

  it("a sidecar's push is refused without the right secret", async () => {
    const answer = await push(subject.url, snapshotOf(fleet(pods)), "not-the-right-secret");
    assert.equal(answer.status, 401);
    assert.equal(answer.json.error.code, "snapshot_unauthenticated");
  });

  it("a push that asks for a traffic report is answered with one", async () => {
    const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: "0.0" };
    const version = nextVersion(AVERAGED_MS);
    const body = snapshotOf(fleet(pods), version);
    const answer = await send(subject.url, { method: "POST", path: SNAPSHOT_PATH, headers, body });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(decodeReport(answer.body).version, version);
  });

  it("the real sidecar finds the models, and the filter accepts its pushes", async () => {
    const config = {
      endpoints: [...pods.gemma, pods.qwen, pods.slow].map(({ url }) => url),
      push: { targets: [subject.url], secret: SECRET },
      listen: "127.0.0.1:0",
      log: { level: "silent" },
    };
    const sidecar = await startSidecar(parseConfig(config, {}));
    try {
      await until("a ready sidecar", () => sidecar.readiness().ready);
      assert.match((await ask(QWEN)).pod ?? "", /^qwen-/);
    } finally {
      await sidecar.close();
    }
  });

  it("no counter of a wrong set-up has risen", async () => {
    for (const name of ["no_reader", "no_holder", "no_body", "not_followed"])
      assert.equal(await counterOf(subject, `setup.${name}`), 0, `setup.${name}`);
  });

  function large(bytes: number): Buffer {
    const content = "a".repeat(Math.max(0, bytes - 100));
    return Buffer.from(JSON.stringify({ messages: [{ role: "user", content }], model: GEMMA }));
  }

  function sendBy(protocol: "HTTP/1.1" | "HTTP/2", body: Buffer): Promise<Answer> {
    if (protocol === "HTTP/1.1") return untilAnswered(body);
    return overHttp2(subject.url, headers(), body);
  }

  /** An answer that arrives before the whole body was sent closes the connection. It counts as an answer. */
  function untilAnswered(body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = open(subject.url, { method: "POST", headers: headers(), body });
      let answered = false;
      request.on("error", (error) => answered || reject(error));
      request.on("response", (response) => {
        answered = true;
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", () => undefined);
        response.on("close", () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks)));
      });
    });
  }

  function withTrailers(body: Buffer): Promise<Answer> {
    const { hostname, port } = new URL(subject.url);
    return new Promise((resolve, reject) => {
      const all = { ...headers(), trailer: "x-checksum", "transfer-encoding": "chunked" };
      const request = http.request({ hostname, port, method: "POST", path: "/v1/chat/completions", headers: all });
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks)));
      });
      request.addTrailers({ "x-checksum": "1" });
      request.end(body);
    });
  }

  /** Aborts a request after its headers, in its body, before its answer, or during a streamed answer. */
  async function abortAt(i: number, bytes: Buffer): Promise<void> {
    const { hostname, port } = new URL(subject.url);
    const all = { ...headers(), "content-length": String(bytes.length) };
    const request = http.request({ hostname, port, method: "POST", path: "/v1/chat/completions", headers: all });
    request.on("error", () => undefined);
    const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
    if (i % 4 === 0) request.flushHeaders();
    else if (i % 4 === 1) request.write(bytes.subarray(0, 20));
    else request.end(bytes);
    if (i % 4 === 3) await Promise.race([new Promise((done) => request.on("response", done)), pause(2000)]);
    else await pause(i % 7);
    request.destroy();
  }
}
