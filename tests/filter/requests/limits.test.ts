// Limits of a request's cost: host calls, because each one leaves the VM, and linear memory, because it never shrinks.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Root, type Stream } from "../../../emulator/index.ts";
import {
  A,
  adapter,
  B,
  base,
  chat,
  complete,
  endpoint,
  Gateway,
  JSON_TYPE,
  routed,
  threePods,
} from "../../../testkit/filter/gateway.ts";

/** Its worker is busy, because a request is in flight. A request to an idle worker would also do the work of the missing ticks. */
function fed(configuration: object = {}): Gateway {
  const gateway = new Gateway({ configuration });
  gateway.feed(threePods());
  gateway.chat("m");
  return gateway;
}

function calls(stream: Stream): number {
  stream.abort();
  return stream.hostCallCount();
}

describe("host calls", () => {
  // The limits are the measured numbers.
  test("a routed chat request and its response take at most 17 host calls", () => {
    const gateway = fed();
    const stream = gateway.chat("m");
    complete(stream, routed(stream.outcome).destination?.split(",")[0] as string);
    assert.ok(stream.hostCallCount() <= 17, JSON.stringify([...stream.hostCalls]));
  });

  test("more endpoints, models or in-flight requests add no host call", () => {
    const small = fed();
    const one = calls(small.chat("m"));
    const large = new Gateway();
    const endpoints = Array.from({ length: 1000 }, (_, i) => endpoint(`10.1.${i >> 8}.${i & 255}:8000`));
    const all = endpoints.map(({ address }) => address);
    const loras = Array.from({ length: 100 }, (_, i) => adapter(`lora-${i}`, "m", [all[i] as string]));
    large.feed({ endpoints, models: [base("m", all), ...loras] });
    for (let i = 0; i < 500; i++) large.chat("m");
    assert.equal(calls(large.chat("m")), one);
  });

  test("an idle worker takes at most 6 host calls more: clock, summary, two tick periods, and two keys to publish", () => {
    const gateway = new Gateway();
    gateway.feed(threePods());
    gateway.process.advance(1000);
    const of = (from: Gateway, content = "") => {
      const messages = [{ role: "user", content }];
      const stream = from.send({ path: "/", headers: JSON_TYPE, body: JSON.stringify({ model: "m", messages }) });
      complete(stream, routed(stream.outcome).destination?.split(",")[0] as string);
      return stream.hostCallCount();
    };
    of(gateway, "x".repeat(4096));
    // After this time the worker no longer checks whether another worker has claimed its key.
    gateway.process.advance(1500);
    const busy = of(fed());
    for (const content of ["", "x".repeat(4096), "y".repeat(4096)]) {
      gateway.process.advance(50);
      const calls = of(gateway, content);
      assert.ok(calls <= busy + 6, `${calls} and ${busy}`);
    }
  });

  test("a body takes one host call for each 64 KiB, and one for the bytes that the scanner put off", () => {
    const gateway = fed();
    const of = (bytes: number) => {
      const stream = gateway.send({
        path: "/",
        headers: JSON_TYPE,
        body: `{"model":"m","prompt":"${"x".repeat(bytes)}"}`,
      });
      assert.equal(stream.outcome.action, "continue");
      stream.abort();
      return stream.hostCallCount("proxy_get_buffer_bytes");
    };
    assert.equal(of(100), 1);
    assert.ok(of(1024 * 1024) <= 18, String(of(1024 * 1024)));
  });

  test("a request without a body takes at most 6 host calls", () => {
    const gateway = fed();
    assert.ok(calls(gateway.send({ method: "GET", path: "/metrics" })) <= 6);
  });

  test("a request reads no shared data and logs nothing; with profile tokens it reads the time at the pick and at a streamed response's first byte", () => {
    const times = (profile: string, streamed: boolean) => {
      const gateway = fed({ pick: { profile } });
      const body = JSON.stringify({ model: "m", stream: streamed, messages: [] });
      const stream = gateway.send({ method: "POST", path: "/v1/chat/completions", headers: JSON_TYPE, body });
      complete(stream, routed(stream.outcome).destination?.split(",")[0] as string);
      for (const name of stream.hostCalls.keys()) assert.doesNotMatch(name, /shared|clock|log|random/, name);
      return stream.hostCallCount("proxy_get_current_time_nanoseconds");
    };
    assert.deepEqual([times("load", false), times("load", true)], [0, 0]);
    assert.deepEqual([times("tokens", false), times("tokens", true)], [1, 2]);
  });
});

describe("linear memory", () => {
  /** `control`: also sends pushes, refused pushes and read-backs. Their large buffers leave free memory that could hide a leak. */
  function traffic(gateway: Gateway, requests: number, control: boolean): void {
    const long = JSON.stringify({ prompt: "y".repeat(200_000), model: "m" });
    const open: Stream[] = [];
    for (let i = 0; i < requests; i++) {
      if (i % 1000 === 0) gateway.send({ path: "/", headers: JSON_TYPE, body: long }).abort();
      if (i % 7 === 0) gateway.send({ path: "/", headers: JSON_TYPE, body: '{"model":' }).abort();
      const stream = gateway.send(chat(i % 5 === 0 ? "lora" : i % 11 === 0 ? "unknown" : "m"));
      open.push(stream);
      if (open.length > 100) {
        const oldest = open.shift() as Stream;
        if (i % 3 === 0) oldest.abort();
        else complete(oldest, i % 13 === 0 ? B : A);
      }
      if (i % 50 === 0) gateway.process.advance(10);
      if (!control) continue;
      if (i % 500 === 0) gateway.feed(threePods());
      if (i % 500 === 250) gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B])] });
      if (i % 500 === 400) gateway.push(Buffer.of(1));
      if (i % 500 === 450) gateway.read();
    }
    for (const stream of open) stream.abort();
  }

  test("20,000 requests, pushes, read-backs and refusals need no more memory than the first 2,000", () => {
    const gateway = new Gateway();
    traffic(gateway, 2000, true);
    const { vm } = gateway.worker();
    const growth = vm.growthDuring(() => traffic(gateway, 20_000, true));
    assert.equal(growth, 0);
    gateway.assertHealthy();
  });

  // The heap doubles when it grows, so up to half of the memory may be free. A leak of 16 bytes takes 32 bytes of the heap. 70,000 such
  // leaks exceed the free half while the memory is below 4.2 MiB.
  test("a small snapshot needs less than 4 MiB, and 70,000 requests lose less than 16 bytes each", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "3600s" } } });
    gateway.feed(threePods());
    traffic(gateway, 2000, false);
    const { vm } = gateway.worker();
    assert.ok(vm.memoryBytes() < 4 * 1024 * 1024, `${vm.memoryBytes()} bytes`);
    const growth = vm.growthDuring(() => traffic(gateway, 70_000, false));
    assert.equal(growth, 0);
    gateway.assertHealthy();
  });

  test("a larger body needs no more memory", () => {
    const gateway = fed();
    gateway.chat("m").abort();
    const { vm } = gateway.worker();
    const body = JSON.stringify({ prompt: "z".repeat(7 * 1024 * 1024), model: "m" });
    const growth = vm.growthDuring(() => {
      for (let i = 0; i < 8; i++) gateway.send({ path: "/", headers: JSON_TYPE, body });
    });
    assert.equal(growth, 0);
  });

  test("10,000 endpoints and their read-back need at most 30 MiB, and later pushes need no more", () => {
    const gateway = new Gateway();
    const endpoints = Array.from({ length: 10_000 }, (_, i) => endpoint(`10.1.${i >> 8}.${i & 255}:8000`));
    const round = () => {
      gateway.feed({ endpoints, models: [] });
      gateway.read();
    };
    for (let i = 0; i < 3; i++) round();
    const { vm } = gateway.worker();
    assert.ok(vm.memoryBytes() <= 30 * 1024 * 1024, `${vm.memoryBytes()} bytes`);
    const growth = vm.growthDuring(() => {
      for (let i = 0; i < 20; i++) round();
    });
    assert.equal(growth, 0);
  });

  test("200 configuration changes need no more memory", () => {
    const gateway = fed();
    const { vm } = gateway.worker();
    const change = () => {
      const next = new Root(vm, { allowOnHeadersStopIteration: true, configuration: "{}" });
      gateway.worker().close();
      gateway.workers[0] = next;
      gateway.process.advance(40);
    };
    for (let i = 0; i < 20; i++) change();
    assert.equal(
      vm.growthDuring(() => {
        for (let i = 0; i < 200; i++) change();
      }),
      0,
    );
    gateway.assertHealthy();
  });
});
