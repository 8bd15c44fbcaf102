// Scrapes of pods: what reaches the snapshot, and how slow, failing and broken pods are handled.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { capture } from "../../../testkit/captures.ts";
import { freePorts } from "../../../testkit/ports.ts";
import { type FakeFilter, startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { type FakePod, gauges, modelList, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { endpointOf, quickSidecar, TIMEOUT_MS } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

interface Scene {
  pods: FakePod[];
  filter: FakeFilter;
  /** The pod's record in the filter's snapshot. */
  seen(index: number): SnapshotView["endpoints"][number] | undefined;
}

async function scene(
  t: TestContext,
  count: number,
  prepare: (pods: FakePod[]) => void = () => {},
  more = {},
): Promise<Scene> {
  const pods = await Promise.all(Array.from({ length: count }, () => startPod()));
  const filter = await startFilter();
  for (const server of [...pods, filter]) t.after(() => server.close());
  prepare(pods);
  await quickSidecar(t, { endpoints: pods.map((p) => p.url), targets: [filter.url], more });
  return { pods, filter, seen: (index) => endpointOf(filter.stored, pods[index]?.address ?? "") };
}

/** Waits until a scrape that begins after the call has ended. */
async function nextScrape(pod: FakePod): Promise<void> {
  const { scrapes } = pod;
  await until("two more scrapes", () => pod.scrapes >= scrapes + 2);
}

test("real metrics reach the filter as signals", async (t) => {
  const { filter, seen } = await scene(t, 1, ([pod]) => {
    (pod as FakePod).metrics = text(capture("dp2_load"));
    (pod as FakePod).models = modelList("tiny-dp", ["sql", "tiny-dp"]);
  });
  const endpoint = await until("a ready pod", () => seen(0)?.ready && seen(0));
  assert.deepEqual([endpoint.waiting, endpoint.running, endpoint.kvBlocks, endpoint.blockTokens], [14, 16, 65536, 128]);
  assert.deepEqual(
    filter.stored?.models.map((m) => [m.name, m.kind, m.base]),
    [
      ["sql", "adapter", "tiny-dp"],
      ["tiny-dp", "base", "tiny-dp"],
    ],
  );
});

test("the first snapshot has the models of every pod that responds", async (t) => {
  const slowList = modelList("late");
  const { filter } = await scene(t, 2, ([, slow]) => {
    (slow as FakePod).models = (request, response) => void setTimeout(() => slowList(request, response), 150);
  });
  const first = await until("a snapshot", () => filter.stored);
  assert.deepEqual(
    first.models.map((m) => m.name),
    ["late", "m"],
  );
});

test("all scrapes of a pod use two connections", async (t) => {
  const { pods } = await scene(t, 1);
  const pod = pods[0] as FakePod;
  await until("ten scrapes", () => pod.scrapes >= 10);
  assert.ok(pod.connections <= 2, `${pod.connections} connections`);
});

test("a pod that never responds delays no other pod, and is not ready in the snapshot", async (t) => {
  const begun = performance.now();
  const { pods, filter, seen } = await scene(t, 3, ([dead]) => {
    (dead as FakePod).metrics = () => {};
    (dead as FakePod).models = () => {};
  });
  await until("the others ready", () => seen(1)?.ready && seen(2)?.ready);
  assert.equal(seen(0)?.ready, false);
  assert.equal(seen(0)?.scrapeAgeMs, null);
  await until("twenty scrapes of another", () => (pods[1]?.scrapes ?? 0) >= 20);
  // The pod gets one scrape at a time, and each scrape lasts until its timeout.
  const most = 2 + (performance.now() - begun) / TIMEOUT_MS;
  assert.ok((pods[0]?.scrapes ?? 0) <= most, `${pods[0]?.scrapes} scrapes of the dead one`);
  assert.equal(filter.stored?.endpoints.length, 3);
});

test("a failing pod is scraped less and less often, other pods as before", async (t) => {
  const begun = performance.now();
  const { pods } = await scene(
    t,
    2,
    ([bad]) => ((bad as FakePod).metrics = (_request, response) => response.writeHead(500).end()),
    {
      scrape: { interval: "20ms", maxInterval: "20ms", maxBackoff: "10s" },
    },
  );
  await until("sixty scrapes of the good one", () => (pods[1]?.scrapes ?? 0) >= 60);
  // The waits are 20, 40, 80, 160 ms and so on, so twice the time has one more scrape.
  const most = 4 + Math.log2((performance.now() - begun) / 20);
  assert.ok((pods[0]?.scrapes ?? 0) <= most, `${pods[0]?.scrapes} scrapes of the failing one`);
});

test("a change of load is pushed before the heartbeat", async (t) => {
  const { pods, seen } = await scene(t, 1, () => {}, { models: { interval: "10m" } });
  await until("idle", () => seen(0)?.ready);
  (pods[0] as FakePod).metrics = gauges(7, 3, 0.25);
  await until("the load", () => seen(0)?.waiting === 7 && seen(0)?.running === 3 && seen(0)?.kvUsage === 0.25);
});

const BROKEN: Record<string, (pod: FakePod) => void> = {
  "responds 500": (pod) => {
    pod.metrics = (_request, response) => response.writeHead(500).end("vllm:num_requests_waiting 99\n");
  },
  "resets the connection": (pod) => {
    pod.metrics = (request) => request.socket.destroy();
  },
  "sends a body over the limit": (pod) => {
    pod.metrics = text(`vllm:num_requests_waiting 99\n${"# x\n".repeat(100_000)}`);
  },
  "announces a body over the limit and sends none": (pod) => {
    pod.metrics = (_request, response) => {
      response.writeHead(200, { "content-length": "99999999" });
      response.write("vllm:num_requests_waiting 99\n");
    };
  },
  "never ends its body": (pod) => {
    pod.metrics = (_request, response) => {
      response.write("vllm:num_requests_waiting 99\n");
      const timer = setInterval(() => response.write("#".repeat(100)), 10);
      response.on("close", () => clearInterval(timer));
    };
  },
  "drips a byte at a time": (pod) => {
    pod.metrics = (_request, response) => {
      const body = "vllm:num_requests_waiting 99\n".repeat(20);
      let at = 0;
      const timer = setInterval(() => response.write(body[at++ % body.length]), 5);
      response.on("close", () => clearInterval(timer));
    };
  },
  "cuts its body short": (pod) => {
    pod.metrics = (request, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("vllm:num_requests_waiting 99\n", () => request.socket.destroy());
    };
  },
  "sends fifty megabytes": (pod) => {
    pod.metrics = (_request, response) => {
      let left = 50 << 20;
      const piece = Buffer.alloc(1 << 16, "# x\n");
      const more = (): void => {
        for (; left > 0; left -= piece.length) if (!response.write(piece)) return void response.once("drain", more);
        response.end("vllm:num_requests_waiting 99\n");
      };
      more();
    };
  },
  "announces a longer body than it sends": (pod) => {
    pod.metrics = (_request, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("vllm:num_requests_waiting 99\n");
    };
  },
  "sends a length and chunks": (pod) => {
    pod.metrics = (request) =>
      request.socket.end(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1d\r\nvllm:num_requests_waiting 99\n\r\n0\r\n\r\n",
      );
  },
  "does not speak HTTP": (pod) => {
    pod.metrics = (request) => request.socket.end("hello\r\n\r\n");
  },
};

for (const [what, breakIt] of Object.entries(BROKEN)) {
  test(`a pod that ${what} is down after failures in a row, and is ready again after a good scrape`, async (t) => {
    const { pods, seen } = await scene(t, 2, () => {}, {
      scrape: { interval: "20ms", maxInterval: "20ms", timeout: "300ms", maxBackoff: "40ms", maxBytes: "64KiB" },
    });
    const pod = pods[0] as FakePod;
    await until("both ready", () => seen(0)?.ready && seen(1)?.ready);
    breakIt(pod);
    await until("down", () => seen(0)?.ready === false);
    assert.equal(seen(1)?.ready, true);
    // No part of a broken response counts.
    assert.equal(seen(0)?.waiting, 0);
    pod.metrics = gauges(4, 0);
    await until("up again", () => seen(0)?.ready && seen(0)?.waiting === 4);
  });
}

test("a body ends at its content-length, and the bytes after its end are no response", async (t) => {
  const { pods, seen } = await scene(t, 1);
  await until("ready", () => seen(0)?.ready);
  const body = "vllm:num_requests_waiting 7\n";
  (pods[0] as FakePod).metrics = (request) =>
    void request.socket.write(
      `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\nvllm:num_requests_waiting 99\n`,
    );
  await until("the first", () => seen(0)?.waiting === 7);
  await nextScrape(pods[0] as FakePod);
  assert.deepEqual([seen(0)?.waiting, seen(0)?.ready], [7, true]);
});

test("NaN and infinite gauges are unknown in the snapshot", async (t) => {
  const { seen } = await scene(t, 1, ([pod]) => {
    (pod as FakePod).metrics = text(
      "vllm:num_requests_waiting NaN\nvllm:num_requests_running +Inf\nvllm:kv_cache_usage_perc -Inf\n",
    );
  });
  const endpoint = await until("a ready pod", () => seen(0)?.ready && seen(0));
  assert.deepEqual([endpoint.waiting, endpoint.running, endpoint.kvUsage], [null, null, null]);
});

test("a response without known metrics leaves the signals unknown", async (t) => {
  const { seen } = await scene(t, 1, ([pod]) => {
    (pod as FakePod).metrics = text("<html>vllm</html>\n");
  });
  const endpoint = await until("a ready pod", () => seen(0)?.ready && seen(0));
  assert.deepEqual([endpoint.waiting, endpoint.running, endpoint.kvUsage], [null, null, null]);
});

test("a pod is not ready before its models are read; broken responses give no model", async (t) => {
  const { pods, seen, filter } = await scene(t, 1, ([pod]) => {
    (pod as FakePod).models = text('{"data": "none"}');
  });
  await until("a snapshot", () => seen(0)?.scrapeAgeMs !== undefined && filter.stored);
  await nextScrape(pods[0] as FakePod);
  assert.equal(seen(0)?.ready, false);
  (pods[0] as FakePod).models = modelList("m");
  await until("ready", () => seen(0)?.ready);
});

test("the models of a restarted pod are read at once", async (t) => {
  const [port = 0] = await freePorts(1);
  const pod = await startPod(port);
  const filter = await startFilter();
  t.after(() => filter.close());
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url], more: { models: { interval: "10m" } } });
  const seen = () => endpointOf(filter.stored, pod.address);
  await until("ready", () => seen()?.ready);
  await pod.close();
  await until("down at once", () => seen()?.ready === false);
  const other = await startPod(port);
  t.after(() => other.close());
  other.models = modelList("other");
  await until("ready with the other model", () => seen()?.ready && filter.stored?.models[0]?.name === "other");
});

test("models are read every models.interval: loaded adapters appear, unloaded adapters disappear", async (t) => {
  const { pods, filter } = await scene(t, 1, () => {}, { models: { interval: "100ms" } });
  const names = () => filter.stored?.models.map((m) => m.name).join();
  await until("the base", () => names() === "m");
  (pods[0] as FakePod).models = modelList("m", ["sql", "m"]);
  await until("the adapter", () => names() === "m,sql");
  (pods[0] as FakePod).models = modelList("m");
  await until("the base alone", () => names() === "m");
});

test("with models.discover false pods are not asked for models", async (t) => {
  const { pods, seen, filter } = await scene(t, 1, () => {}, { models: { discover: false, static: { fixed: null } } });
  await until("ready", () => seen(0)?.ready);
  assert.equal(pods[0]?.modelReads, 0);
  assert.deepEqual(
    filter.stored?.models.map((m) => m.name),
    ["fixed"],
  );
});
