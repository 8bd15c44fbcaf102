// What the filter measures at the requests of each base model, and reports to the sidecar.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import type { ModelSums } from "../../../protocol/model-sums.ts";
import { textHash } from "../../../protocol/traffic.ts";
import {
  A,
  adapter,
  B,
  base,
  endpoint,
  Gateway,
  type GatewayOptions,
  JSON_TYPE,
} from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { picked } from "../support/in-flight.ts";

const TEXT = "The quick brown fox, 42 times. Ünïcödé. ";

function world(options: GatewayOptions = {}): Gateway {
  const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "3600s" } }, ...options });
  gateway.feed({
    endpoints: [endpoint(A), endpoint(B)],
    models: [base("m", [A, B]), adapter("lora", "m", [A, B]), base("n", [A, B]), adapter("orphan", null, [A])],
  });
  return gateway;
}

interface Ask {
  prompt?: string;
  model?: string;
  stream?: boolean;
  worker?: number;
}

function ask(gateway: Gateway, { prompt = "hello", model = "m", stream = false, worker = 0 }: Ask = {}): Stream {
  const body = JSON.stringify({ model, prompt, ...(stream && { stream }) });
  return gateway.send({ path: "/v1/completions", headers: JSON_TYPE, body }, worker);
}

interface Response {
  body?: string;
  chunks?: string[];
  status?: number;
  upstream?: string;
  headers?: Record<string, string>;
  emptyEnd?: boolean;
}

function respond(
  stream: Stream,
  { body, chunks, status = 200, upstream, headers = {}, emptyEnd = false }: Response = {},
) {
  const message = chunks === undefined ? { body: body ?? "{}" } : { chunks };
  stream.respond({ status, headers, upstreamAddress: upstream ?? picked(stream), emptyEnd, ...message });
  stream.finish();
}

const usage = (tokens: number) =>
  JSON.stringify({ choices: [], usage: { prompt_tokens: tokens, total_tokens: tokens } });

const sumsOf = (gateway: Gateway, model = "m", worker = 0): ModelSums | undefined =>
  askReport(gateway, worker).sums.get(textHash(model));

const CLASSES = [/[a-z]/g, /[A-Z]/g, /[0-9]/g, /[\0-/:-@[-`{-\x7f]/g, /[\x80-\xff]/g];

/** The bytes of a prompt's JSON by class. */
function classes(prompt: string): number[] {
  const bytes = Buffer.from(JSON.stringify(prompt)).toString("latin1");
  return CLASSES.map((expression) => bytes.match(expression)?.length ?? 0);
}

const times = (counts: readonly number[], factor: number) => counts.map((count) => count * factor);

describe("model sums", () => {
  test("a request counts at the first byte of its response, with its bytes by class", () => {
    const gateway = world();
    const stream = ask(gateway, { prompt: TEXT });
    assert.equal(sumsOf(gateway), undefined);
    respond(stream);
    const sums = sumsOf(gateway);
    assert.deepEqual(sums?.bytes, classes(TEXT));
    assert.deepEqual([sums?.requests, sums?.cachedTokens, sums?.usageRequests], [1, 0, 0]);
    respond(ask(gateway, { prompt: TEXT }));
    assert.deepEqual(sumsOf(gateway)?.bytes, times(classes(TEXT), 2));
    assert.equal(sumsOf(gateway)?.requests, 2);
  });

  test("an adapter's requests count for its base model; an adapter without a base is not measured", () => {
    const gateway = world();
    for (const model of ["m", "lora", "n", "orphan"]) respond(ask(gateway, { model }));
    const { sums } = askReport(gateway);
    assert.deepEqual(
      [...sums].map(([hash, { requests }]) => [hash, requests]),
      [
        [textHash("m"), 2],
        [textHash("n"), 1],
      ],
    );
  });

  test("the tokens that a pick expects in the cache are summed", () => {
    const gateway = world();
    const prompt = "lorem ipsum ".repeat(1000);
    respond(ask(gateway, { prompt }));
    assert.equal(sumsOf(gateway)?.cachedTokens, 0);
    respond(ask(gateway, { prompt }));
    const cached = sumsOf(gateway)?.cachedTokens ?? 0;
    assert.ok(cached > 2800 && cached <= 3000, `${cached} of 3,000 tokens`);
  });

  test("requests that fail, break off before the first byte, or are served elsewhere do not count", () => {
    const gateway = world();
    respond(ask(gateway), { status: 400 });
    respond(ask(gateway), { status: 503 });
    ask(gateway).abort();
    const moved = ask(gateway);
    respond(moved, { upstream: picked(moved) === A ? B : A });
    assert.equal(sumsOf(gateway), undefined);
  });

  test("the sums of all workers are added up, whichever worker reports, and a dead worker's sums stay", () => {
    const gateway = world({ workers: 3 });
    for (const worker of [0, 1, 2, 2]) respond(ask(gateway, { prompt: TEXT, worker }));
    gateway.process.advance(500);
    for (const worker of [0, 1, 2]) assert.equal(sumsOf(gateway, "m", worker)?.requests, 4);
    // Its VM stands still from now on.
    gateway.worker(2).tickDue = undefined;
    gateway.process.advance(3000);
    const heir = gateway.startWorker();
    gateway.process.advance(500);
    respond(ask(gateway, { prompt: TEXT, worker: gateway.workers.indexOf(heir) }));
    gateway.process.advance(500);
    assert.equal(sumsOf(gateway)?.requests, 5);
    assert.deepEqual(sumsOf(gateway)?.bytes, times(classes(TEXT), 5));
  });

  test("a worker writes at most four times a second, and only after something was measured", () => {
    const gateway = world();
    let writes = 0;
    let before = "";
    const look = () => {
      const value = gateway.process.shared.get("pilotfish", "pilotfish.sums")?.value;
      const now = Buffer.from(value ?? "").toString("hex");
      if (now !== before) writes++;
      before = now;
    };
    for (let i = 0; i < 200; i++) {
      if (i < 100) respond(ask(gateway));
      gateway.process.advance(10);
      look();
    }
    assert.ok(writes >= 4 && writes <= 5, `${writes} writes in a second with requests and one without`);
    assert.equal(sumsOf(gateway)?.requests, 100);
  });

  test("the fit has streamed responses only: uncached tokens ahead and own, and seconds to the first byte", () => {
    const gateway = world();
    gateway.feed({ endpoints: [endpoint(A)], models: [base("m", [A])] });
    const prompt = (start: string) => start.padEnd(4000, "words and ");
    const first = ask(gateway, { prompt: prompt("one"), stream: true });
    const second = ask(gateway, { prompt: prompt("two"), stream: true });
    const whole = ask(gateway, { prompt: prompt("three") });
    gateway.process.advance(500);
    for (const stream of [first, second, whole]) respond(stream);
    const [n = 0, x = 0, y = 0, xx = 0, xy = 0] = sumsOf(gateway)?.fit ?? [];
    assert.equal(n, 2);
    // 1,000 tokens each; the second has the first ahead.
    assert.ok(Math.abs(x - 3000) < 5, `x ${x}`);
    assert.ok(Math.abs(y - 1) < 0.01, `y ${y}`);
    assert.ok(Math.abs(xx - 5e6) < 2e4, `xx ${xx}`);
    assert.ok(Math.abs(xy - x / 2) < 20, `xy ${xy}`);
  });

  test("the read-back shows the sums", () => {
    const gateway = world();
    respond(ask(gateway, { prompt: TEXT }), { body: usage(9) });
    const { sums } = gateway.read().json;
    assert.deepEqual(sums, [
      {
        model: "m",
        requests: 1,
        cachedTokens: 0,
        bytes: classes(TEXT),
        usageRequests: 1,
        usageTokens: 9,
        usageBytes: classes(TEXT),
        firstBytes: { responses: 0, tokens: 0, milliseconds: 0 },
      },
    ]);
  });

  test("profiles that read no prompts measure nothing", () => {
    const gateway = world({ configuration: { pick: { profile: "load" }, snapshot: { staleAfter: "3600s" } } });
    respond(ask(gateway), { body: usage(9) });
    assert.equal(askReport(gateway).sums.size, 0);
    assert.equal(gateway.read().json.sums, undefined);
  });
});

describe("usage in responses", () => {
  const event = (data: object | string) => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
  const seen = (gateway: Gateway) => {
    const sums = sumsOf(gateway);
    return [sums?.usageRequests, sums?.usageTokens];
  };

  test("usage is read from a whole body, from the last chunk before an empty end, and from a stream's last event", () => {
    const gateway = world();
    respond(ask(gateway), { body: usage(100) });
    assert.deepEqual(seen(gateway), [1, 100]);
    gateway.process.advance(200);
    respond(ask(gateway), { chunks: ['{"choices":["', "x".repeat(5000), `"],${usage(20).slice(1)}`], emptyEnd: true });
    assert.deepEqual(seen(gateway), [2, 120]);
    gateway.process.advance(200);
    const stream = ask(gateway, { stream: true });
    const text = event({ choices: [{ text: "hi" }] });
    respond(stream, { chunks: [text, text, event(usage(3)), event("[DONE]")], emptyEnd: true });
    assert.deepEqual(seen(gateway), [3, 123]);
    assert.deepEqual(sumsOf(gateway)?.usageBytes, times(classes("hello"), 3));
  });

  test("usage in every event counts once; Anthropic's first event counts too", () => {
    const gateway = world();
    const continuous = event(usage(7));
    respond(ask(gateway, { stream: true }), { chunks: [continuous, continuous, continuous] });
    assert.deepEqual(seen(gateway), [1, 7]);
    gateway.process.advance(200);
    const start = { type: "message_start", message: { id: "msg", usage: { input_tokens: 30, output_tokens: 1 } } };
    respond(ask(gateway, { stream: true }), { chunks: [event(start), event({ type: "message_stop" })] });
    assert.deepEqual(seen(gateway), [2, 37]);
  });

  test("of a response in chunks the last usage counts, and none of a response that broke off", () => {
    const gateway = world();
    const copied = '{"output":[],"tools":[{"parameters":{"usage":{"input_tokens":60000}}';
    respond(ask(gateway), { chunks: [copied, `}],${usage(7).slice(1)}`] });
    assert.deepEqual(seen(gateway), [1, 7]);
    gateway.process.advance(200);
    const broken = ask(gateway);
    broken.respond({ upstreamAddress: picked(broken), chunks: [copied], end: false });
    broken.abort();
    assert.deepEqual(seen(gateway), [1, 7]);
  });

  test("an encoded body, an error, a number that cannot be, and text of a model are not read", () => {
    const gateway = world();
    const wait = () => gateway.process.advance(200);
    respond(ask(gateway), { body: usage(5), headers: { "content-encoding": "gzip" } });
    wait();
    respond(ask(gateway), { body: usage(5), status: 400 });
    wait();
    respond(ask(gateway), { body: usage(65_536 + 8) });
    wait();
    respond(ask(gateway), { body: JSON.stringify({ choices: [{ text: `,${usage(5)}` }] }) });
    assert.deepEqual(seen(gateway), [0, 0]);
    wait();
    respond(ask(gateway), { body: usage(65_536 + 7) });
    assert.deepEqual(seen(gateway), [1, 65_543]);
  });

  test("at most eight responses a second are read, of each model", () => {
    const gateway = world();
    for (let i = 0; i < 100; i++) {
      respond(ask(gateway), { body: usage(1) });
      respond(ask(gateway, { model: "n" }), { body: usage(1) });
      gateway.process.advance(10);
    }
    assert.deepEqual([sumsOf(gateway)?.usageRequests, sumsOf(gateway, "n")?.usageRequests], [8, 8]);
  });

  test("at most eight open streams are looked at; streams that end make room, however they end", () => {
    const gateway = world();
    const open = Array.from({ length: 12 }, () => {
      const stream = ask(gateway, { stream: true });
      stream.respond({ upstreamAddress: picked(stream), chunks: [event({ choices: [] })], end: false });
      gateway.process.advance(200);
      return stream;
    });
    for (const stream of open) stream.responseBody(event(usage(1)), false);
    assert.deepEqual(seen(gateway), [8, 8]);
    for (const stream of open) stream.abort();
    for (let round = 0; round < 3; round++) {
      const silent = Array.from({ length: 8 }, () => {
        const stream = ask(gateway, { stream: true });
        stream.respond({ upstreamAddress: picked(stream), chunks: [event({ choices: [] })], end: false });
        gateway.process.advance(200);
        return stream;
      });
      for (const [i, stream] of silent.entries()) {
        if (i % 2) stream.abort();
        else {
          stream.responseBody("", true);
          stream.finish();
        }
      }
    }
    gateway.process.advance(200);
    respond(ask(gateway, { stream: true }), { chunks: [event(usage(1))] });
    assert.deepEqual(seen(gateway), [9, 9]);
    gateway.assertHealthy();
  });
});
