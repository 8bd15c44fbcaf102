// Records of prompts, from the first byte of a body to the end of the request. A record that is not given back would be missing for
// good. The filter picks for a request without a record as if no endpoint had cached the prompt.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { A, adapter, B, base, C, complete, endpoint, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { fate, fed, HOLD, objective, ROOMY, SATURATED } from "../support/admission.ts";
import { picked } from "../support/in-flight.ts";

/** Limit of open records, MAX_PROMPTS in assembly/endpoints/cache/prompt.ts. */
const MAX_PROMPTS = 1024;
const MANY = MAX_PROMPTS + 100;

let salt = 0;
const fresh = () => `${++salt} `;
const body = (text: string, model = "m") => JSON.stringify({ prompt: text + "lorem ".repeat(700), model });

function ask(gateway: Gateway, text = fresh(), model = "m", headers: Record<string, string> = {}): Stream {
  return gateway.send({ path: "/v1/completions", headers: { ...JSON_TYPE, ...headers }, body: body(text, model) });
}

/** Sends the beginning of a body. */
function begin(gateway: Gateway): Stream {
  const stream = gateway.stream();
  stream.sendHeaders({ ":method": "POST", ":path": "/v1/completions", ":authority": "x", ...JSON_TYPE });
  stream.sendBody(body(fresh()).slice(0, 3000));
  return stream;
}

/** Returns whether requests with the same prompt go to the same endpoint while all endpoints are idle. */
function hasAffinity(gateway: Gateway): boolean {
  let same = true;
  for (let i = 0; i < 6; i++) {
    const text = fresh();
    const pods = Array.from({ length: 6 }, () => {
      const stream = ask(gateway, text);
      const pod = picked(stream);
      complete(stream, pod);
      return pod;
    });
    same &&= pods.every((pod) => pod === pods[0]);
  }
  return same;
}

describe("all records of prompts are given back", () => {
  const world = () => {
    const hold = { ...HOLD, hold: { timeout: "10s", maxRequests: 300 } };
    return fed(hold, ROOMY(), { body: { maxBytes: 8192 }, snapshot: { staleAfter: "3600s" } });
  };
  const fill = (gateway: Gateway) => {
    // Requests that went on before have left the queue.
    gateway.process.advance(200);
    gateway.feed(SATURATED());
    const waiting = Array.from({ length: 300 }, () => ask(gateway));
    assert.ok(waiting.every((stream) => fate(stream) === "waits"));
    return waiting;
  };

  /** Ways for a request to end. Each function returns how many requests it sent. */
  const ways: Record<string, (gateway: Gateway) => number> = {
    "a client that goes before its body is whole"(gateway) {
      begin(gateway).abort();
      return 1;
    },
    "a body that is no JSON behind its prompt"(gateway) {
      const stream = gateway.send({ path: "/", headers: JSON_TYPE, body: body(fresh()).slice(0, -1) });
      assert.equal(stream.outcome.action, "replied");
      stream.finish();
      return 1;
    },
    "a body that is too long"(gateway) {
      const chunks = [body(fresh()), " ".repeat(8192)];
      const stream = gateway.send({ path: "/", headers: JSON_TYPE, chunks });
      assert.equal(stream.localResponse?.status, 413);
      stream.finish();
      return 1;
    },
    "a model that no header can carry"(gateway) {
      const stream = ask(gateway, fresh(), "a\u0001b");
      assert.equal(stream.outcome.action, "replied");
      stream.finish();
      return 1;
    },
    "a model that no endpoint serves"(gateway) {
      const stream = ask(gateway, fresh(), "other");
      assert.equal(stream.outcome.action, "continue");
      complete(stream, A);
      return 1;
    },
    "a response that is whole"(gateway) {
      const stream = ask(gateway);
      complete(stream, picked(stream));
      return 1;
    },
    "a client that goes before the response"(gateway) {
      ask(gateway).abort();
      return 1;
    },
    "a response that breaks off"(gateway) {
      const stream = ask(gateway);
      stream.respond({ chunks: ["{"], upstreamAddress: picked(stream), end: false });
      stream.abort();
      return 1;
    },
    "a retry that another endpoint answers"(gateway) {
      const stream = ask(gateway);
      complete(stream, picked(stream) === A ? B : A);
      return 1;
    },
    "a response of an unknown endpoint"(gateway) {
      complete(ask(gateway), C);
      return 1;
    },
    "an Envoy that found no endpoint"(gateway) {
      const stream = ask(gateway);
      stream.respond({ status: 503, body: "no healthy upstream" });
      stream.finish();
      return 1;
    },
    "an endpoint that leaves while it answers"(gateway) {
      const streams = Array.from({ length: 100 }, () => ask(gateway));
      gateway.feed({ endpoints: [endpoint(C)], models: [base("m", [C])] });
      gateway.feed(ROOMY());
      for (const stream of streams) stream.abort();
      return 100;
    },
    "waiting requests whose clients go"(gateway) {
      for (const stream of fill(gateway)) stream.abort();
      return 300;
    },
    "waiting requests that go on"(gateway) {
      let left = fill(gateway);
      for (let i = 0; left.length > 0; i++) {
        assert.ok(i < 100);
        gateway.feed(ROOMY());
        for (const stream of left) if (fate(stream) === "continue") complete(stream, A);
        left = left.filter((stream) => stream.phase === "open");
      }
      return 300;
    },
    "waiting requests whose time is over"(gateway) {
      const streams = fill(gateway);
      gateway.process.advance(10_100);
      for (const stream of streams) {
        assert.equal(fate(stream), "503 hold_timeout");
        stream.finish();
      }
      return 300;
    },
    "requests that are displaced, that do not fit and that never wait"(gateway) {
      const streams = fill(gateway);
      for (const name of ["urgent", "", "batch"]) {
        for (let i = 0; i < 100; i++) streams.push(ask(gateway, fresh(), "m", name ? objective(name) : {}));
      }
      const fates = streams.map(fate);
      const count = (what: string) => fates.filter((one) => one === what).length;
      assert.deepEqual([count("waits"), count("429 queue_full"), count("429 saturated")], [300, 200, 100]);
      for (const stream of streams) {
        if (fate(stream) === "waits") stream.abort();
        else stream.finish();
      }
      return 600;
    },
  };

  for (const [name, way] of Object.entries(ways)) {
    test(`by ${name}`, () => {
      const gateway = world();
      for (let count = 0; count < MANY; ) {
        count += way(gateway);
        if (count % 100 === 0) gateway.process.advance(20);
      }
      gateway.feed(ROOMY());
      assert.ok(hasAffinity(gateway));
      assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 0 });
      gateway.assertHealthy();
    });
  }

  test("in-flight requests leave records for the bodies that come meanwhile", () => {
    const gateway = world();
    const streams = Array.from({ length: MANY }, () => ask(gateway));
    const first = Array.from({ length: 10 }, () => {
      const text = fresh();
      const stream = ask(gateway, text);
      return { text, stream, pod: picked(stream) };
    });
    for (const stream of streams) complete(stream, picked(stream));
    for (const { stream, pod } of first) complete(stream, pod);
    for (const { text, pod } of first) {
      const second = ask(gateway, text);
      assert.equal(picked(second), pod);
      complete(second, pod);
    }
    assert.ok(hasAffinity(gateway));
  });

  test("these tests would see a lost record: while all records are in use, no request has affinity", () => {
    const gateway = world();
    const streams = Array.from({ length: MAX_PROMPTS }, () => begin(gateway));
    assert.ok(!hasAffinity(gateway));
    for (const stream of streams) stream.abort();
    assert.ok(hasAffinity(gateway));
  });
});

describe("the endpoint that has a prompt", () => {
  test("a prompt stays cached for as long as its request is in flight, and ages from its end", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "3600s" } } });
    // Each cache has room for 64 KiB of prompts.
    const cache = { kvBlocks: 128, blockTokens: 128 };
    const endpoints = [endpoint(A, cache), endpoint(B, cache)];
    gateway.feed({ endpoints, models: [base("m", [A, B]), adapter("lora", "m", [A])] });
    const passing = (requests: number) => {
      for (let i = 0; i < requests; i++) {
        complete(ask(gateway, fresh(), "lora"), A);
        gateway.process.advance(20);
      }
    };
    const sentToA = () => {
      for (let i = 0; i < 100; i++) {
        const text = fresh();
        const stream = ask(gateway, text);
        if (picked(stream) === A) return { text, stream };
        complete(stream, B);
      }
      return assert.fail("no request went to A");
    };
    const over = sentToA();
    complete(over.stream, A);
    const lasting = sentToA();
    lasting.stream.respond({ chunks: ["{"], upstreamAddress: A, end: false });
    passing(60);
    // A has one request more than B, so only A's cached blocks attract requests.
    const again = ask(gateway, lasting.text);
    assert.equal(picked(again), A);
    again.abort();
    const anew = ask(gateway, over.text);
    assert.equal(picked(anew), B);
    anew.abort();
    lasting.stream.responseBody("}", true);
    lasting.stream.finish();
    passing(60);
    const busy = ask(gateway, fresh(), "lora");
    assert.equal(picked(ask(gateway, lasting.text)), B);
    busy.abort();
  });

  test("the endpoint that served a request has its prompt as well", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "3600s" } } });
    const pods = [A, B, C];
    const view = (usable: string[]) => ({ endpoints: usable.map((at) => endpoint(at)), models: [base("m", usable)] });
    gateway.feed(view(pods));
    for (let i = 0; i < 10; i++) {
      const text = fresh();
      const first = ask(gateway, text);
      const [next, other] = pods.filter((pod) => pod !== picked(first)) as [string, string];
      complete(first, next);
      gateway.feed(view([next, other].sort()));
      const second = ask(gateway, text);
      assert.equal(picked(second), next);
      complete(second, next);
      gateway.feed(view(pods));
    }
  });
});
