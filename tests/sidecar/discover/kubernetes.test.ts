// Pods from a cluster, read from a fake API server: lists, watches, and their failures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { pod, pool, slice } from "../../../testkit/kubernetes/objects.ts";
import {
  ALPHA,
  CONFIG_MAPS,
  PODS,
  POOLS,
  SLICES,
  startServer,
  TIMES,
  watchCluster,
} from "../../../testkit/kubernetes/watched.ts";
import { until } from "../../../testkit/until.ts";

test("pods of a pool appear, change and vanish with the objects of the API server", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000, 8001));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  server.put(PODS, pod("x", "other", "10.0.0.9"));
  const { addresses, pods } = watchCluster(t, server);
  await until("the listed pod", () => addresses());
  assert.deepEqual(addresses(), ["10.0.0.1:8000", "10.0.0.1:8001"]);
  server.put(PODS, pod("b", "vllm", "10.0.0.2", { ready: false }));
  await until("a new pod", () => addresses()?.length === 4);
  const cluster = (address: string) => pods()?.find((each) => each.address === address)?.cluster;
  const of = ["InferencePool default/llama"];
  assert.deepEqual(cluster("10.0.0.2:8000"), { ready: false, draining: false, asleep: false, of });
  server.put(PODS, pod("b", "vllm", "10.0.0.2"));
  await until("ready", () => cluster("10.0.0.2:8000")?.ready);
  server.put(PODS, pod("a", "vllm", "10.0.0.1", { deleted: true }));
  await until("draining", () => cluster("10.0.0.1:8000")?.draining);
  server.remove(PODS, "default", "a");
  await until("gone", () => addresses()?.length === 2);
  server.remove(POOLS, "default", "llama");
  await until("the pods of the removed pool to vanish", () => addresses()?.length === 0);
});

test("nothing is reported before pools and pods are listed; an unchanged result is reported once", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const answer = server.instead;
  server.instead = (request, response) => {
    if (request.url?.includes("/pods")) void held.then(() => response.writeHead(500).end());
    else response.writeHead(404).end();
  };
  const watched = watchCluster(t, server);
  await until("the request for pods", () => server.requests.some((url) => url.includes("/pods")));
  await until(
    "the response with pools",
    () => server.requests.filter((url) => url.includes("inferencepools")).length > 3,
  );
  assert.equal(watched.reports(), 0);
  server.instead = answer;
  release();
  await until("the first report", () => watched.addresses()?.length === 1);
  const reports = watched.reports();
  server.put(PODS, pod("x", "other", "10.0.0.9"));
  server.put(PODS, pod("b", "vllm", "10.0.0.2"));
  await until("the second report", () => watched.addresses()?.length === 2);
  assert.equal(watched.reports(), reports + 1);
});

test("a list is read in pages; a page token that expires starts the list again", async (t) => {
  const server = await startServer(t);
  server.pageSize = 2;
  server.put(POOLS, pool("llama", "vllm", 8000));
  for (let i = 1; i <= 5; i++) server.put(PODS, pod(`p${i}`, "vllm", `10.0.0.${i}`));
  let expired = 0;
  server.expireTokens = () => expired++ === 0;
  const watched = watchCluster(t, server);
  await until("all pods", () => watched.addresses()?.length === 5);
  const pages = server.requests.filter((url) => url.includes("/pods") && url.includes("continue="));
  // The first request for page two was refused; after the new list, pages two and three were read.
  assert.ok(expired > 1);
  assert.equal(pages.length, 3);
});

test("while the API server is down pods stay; the watch continues from its version, without loss", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  server.put(PODS, pod("b", "vllm", "10.0.0.2"));
  const watched = watchCluster(t, server);
  await until("both pods", () => watched.addresses()?.length === 2 && server.watching >= 3);
  await server.kill();
  server.remove(PODS, "default", "a");
  server.put(PODS, pod("c", "vllm", "10.0.0.3"));
  await until("a failed request", () => watched.source.seen?.().watches.some(({ state }) => state === "failing"));
  assert.deepEqual(watched.addresses(), ["10.0.0.1:8000", "10.0.0.2:8000"]);
  server.requests = [];
  await server.start();
  await until("the missed pod", () => isDeepStrictEqual(watched.addresses(), ["10.0.0.2:8000", "10.0.0.3:8000"]));
  const lists = server.requests.filter((url) => url.includes("/pods") && !url.includes("watch=true"));
  assert.deepEqual(lists, []);
});

test("an expired version, in an event or a status, leads to a new list, without loss", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  const watched = watchCluster(t, server);
  await until("one pod", () => watched.addresses()?.length === 1 && server.watching >= 3);
  await server.kill();
  server.remove(PODS, "default", "a");
  server.put(PODS, pod("b", "vllm", "10.0.0.2"));
  server.expire();
  await server.start();
  await until(
    "after an ERROR event",
    () => isDeepStrictEqual(watched.addresses(), ["10.0.0.2:8000"]) && server.watching >= 3,
  );
  await server.kill();
  server.put(PODS, pod("c", "vllm", "10.0.0.3"));
  let refused = 0;
  server.instead = (request, response) => {
    const gone = request.url?.includes("watch=true") === true;
    refused += Number(gone);
    if (refused > 2) server.instead = undefined;
    response.writeHead(gone ? 410 : 503).end("{}");
  };
  await server.start();
  await until("the pods after status 410", () => watched.addresses()?.length === 2);
  assert.ok(refused > 0);
});

test("a silent watch times out, and a new list has the missed changes", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  const times = { ...TIMES, watchMs: 300, silenceMs: 200 };
  let hung = 0;
  server.instead = (request, response) => {
    if (request.url?.includes("watch=true")) {
      hung++;
      response.writeHead(200).flushHeaders();
      if (hung >= 3) server.instead = undefined;
      return;
    }
    const listed = request.url?.includes("/pods") ? [] : [pool("llama", "vllm", 8000)];
    const items = request.url?.includes("x-k8s.io") || request.url?.includes("configmaps") ? [] : listed;
    response.writeHead(200).end(JSON.stringify({ metadata: { resourceVersion: "1" }, items }));
  };
  const watched = watchCluster(t, server, { times });
  await until("the first report", () => watched.addresses());
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  await until("the pod without an event", () => watched.addresses()?.length === 1);
  const asked = server.requests.filter((url) => url.includes("/pods")).map((url) => url.includes("watch=true"));
  assert.deepEqual(asked.slice(0, 3), [false, true, false]);
});

test("a bookmark raises the version, so that a quiet watch continues without a list", async (t) => {
  const server = await startServer(t);
  const watched = watchCluster(t, server, { times: { ...TIMES, watchMs: 100 } });
  await until("the first report", () => watched.addresses());
  server.requests = [];
  const count = (part: string) =>
    server.requests.filter((url) => url.includes("/pods") && url.includes("watch=true") === (part === "watch")).length;
  await until("three watches", () => count("watch") >= 3);
  assert.equal(count("list"), 0);
  const { resourceVersion } = server.put(PODS, pod("a", "vllm", "10.0.0.1")).metadata;
  const from = `resourceVersion=${resourceVersion}&`;
  await until("a watch from there", () => server.requests.some((url) => url.includes("/pods") && url.includes(from)));
  assert.equal(count("list"), 0);
  // Without bookmarks the server may not know the version any more.
  server.bookmarks = false;
  await until("a list", () => count("list") >= 1);
});

test("a line that is not an event ends the watch, and a list follows", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  const watched = watchCluster(t, server);
  for (const text of [
    '{"type":"ADDED","object":{"met\n',
    '{"type":"ADDED"}\n',
    '{"type":"ERROR","object":{"code":500,"message":"boom"}}\n',
  ]) {
    await until("watches", () => server.watching >= 3);
    const before = server.requests.length;
    server.sendRaw(text);
    await until("another request", () => server.requests.length > before + 2);
    assert.deepEqual(watched.addresses(), ["10.0.0.1:8000"]);
  }
});

test("a server that ends each watch at once is asked with growing waits", async (t) => {
  const server = await startServer(t);
  server.instead = (request, response) => {
    if (request.url?.includes("watch=true")) response.writeHead(200).end();
    else response.writeHead(200).end(JSON.stringify({ metadata: { resourceVersion: "7" }, items: [] }));
  };
  const watched = watchCluster(t, server, { times: { ...TIMES, retryMinMs: 50, retryMaxMs: 100_000 } });
  await until("the first report", () => watched.addresses());
  const pods = () => server.requests.filter((url) => url.includes("/pods")).length;
  await until("another request", () => pods() >= 2);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(pods() < 16, String(pods()));
});

test("a missing CRD is no error; its objects appear when it is installed, and vanish when it is removed", async (t) => {
  const server = await startServer(t);
  server.installed.delete(POOLS);
  const watched = watchCluster(t, server);
  await until("the first report", () => watched.addresses());
  assert.deepEqual([watched.addresses(), watched.lines], [[], []]);
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.installed.add(POOLS);
  await until("the pool", () => watched.addresses()?.length === 1);
  server.installed.add(`${ALPHA}/inferenceobjectives`);
  const spec = { priority: 7, poolRef: { name: "llama" } };
  const objective = { apiVersion: "inference.networking.x-k8s.io/v1alpha2", kind: "InferenceObjective", spec };
  server.put(`${ALPHA}/inferenceobjectives`, { ...objective, metadata: { name: "o", namespace: "default" } });
  await until("the objective", () => watched.source.seen?.().objectives[0]?.priority === 7);
  server.installed.delete(POOLS);
  server.expire();
  await server.kill();
  await server.start();
  await until("the pools of the removed API to vanish", () => watched.addresses()?.length === 0);
});

test("a single 404 for an API, as from a starting server, removes no pod", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  const watched = watchCluster(t, server);
  await until("one pod", () => watched.addresses()?.length === 1 && server.watching >= 3);
  await server.kill();
  server.expire();
  let missing = 0;
  server.instead = ({ url = "" }, response) => {
    const watch = url.includes("watch=true");
    const poolList = !watch && url.includes("/v1/namespaces/default/inferencepools");
    if (poolList) {
      missing++;
      server.instead = undefined;
    }
    // Every other list fails until then, so that only the pools get a 404, and get it once.
    response.writeHead(watch ? 410 : poolList ? 404 : 503).end("{}");
  };
  const reports = watched.reports();
  await server.start();
  await until("it watches again", () => missing > 0 && server.watching >= 3);
  assert.deepEqual([watched.addresses(), watched.reports()], [["10.0.0.1:8000"], reports]);
});

test("the endpoints of a configured Service's EndpointSlices are pods, and only its slices are watched", async (t) => {
  const server = await startServer(t);
  server.put(SLICES, slice("llm-serve-svc", { serve: 8000 }, "10.0.0.1", "10.0.0.2"));
  server.put(SLICES, slice("head", { dashboard: 8265 }, "10.0.0.8"));
  const watched = watchCluster(t, server, { services: [{ name: "llm-serve-svc" }] });
  await until("both pods", () => watched.addresses()?.length === 2);
  const ending = slice("llm-serve-svc", { serve: 8000 }, "10.0.0.1");
  (ending.endpoints as Array<{ conditions: object }>)[0] = {
    ...(ending.endpoints as Array<{ conditions: object }>)[0],
    conditions: { ready: false, serving: true, terminating: true },
  };
  server.put(SLICES, ending);
  await until("one draining pod", () => watched.pods()?.length === 1 && watched.pods()?.[0]?.cluster?.draining);
  assert.equal(watched.pods()?.[0]?.cluster?.ready, true);
  const asked = server.requests.filter((url) => url.includes("endpointslices"));
  assert.ok(asked.every((url) => url.includes("labelSelector=kubernetes.io%2Fservice-name%3Dllm-serve-svc")));
});

test("a resource that RBAC refuses is logged once, and other resources work", async (t) => {
  const server = await startServer(t);
  server.forbidden.add("configmaps");
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  const watched = watchCluster(t, server);
  await until("the pod", () => watched.addresses()?.length === 1);
  await until("three requests", () => server.requests.filter((url) => url.includes("configmaps")).length >= 3);
  assert.equal(watched.lines.length, 1);
  assert.match(String(watched.lines[0]?.watch), /^configmaps in default/);
  assert.equal(watched.lines[0]?.status, 403);
  server.forbidden.clear();
  const labels = { "inference.networking.k8s.io/bbr-managed": "true" };
  const data = { baseModel: "llama", adapters: "- sql\n- law\n" };
  const metadata = { name: "map", namespace: "default", labels };
  server.put(CONFIG_MAPS, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
  await until("the map", () => watched.source.seen?.().adapterMaps[0]?.adapters.length === 2);
});

test("a broken object is logged with its field and keeps its last good state", async (t) => {
  const server = await startServer(t);
  server.put(POOLS, pool("llama", "vllm", 8000));
  server.put(PODS, pod("a", "vllm", "10.0.0.1"));
  const watched = watchCluster(t, server);
  await until("one pod", () => watched.addresses()?.length === 1);
  server.put(POOLS, pool("llama", "vllm", 80_000));
  server.put(PODS, pod("b", "vllm", "10.0.0.2"));
  await until("two pods", () => watched.addresses()?.length === 2);
  assert.deepEqual(watched.lines[0], {
    source: "kubernetes",
    object: "InferencePool default/llama",
    problems: ["spec.targetPorts[0].number: got 80000, expected a port, an integer from 1 to 65535"],
  });
  await server.kill();
  server.put(PODS, pod("c", "vllm", "10.0.0.3"));
  server.expire();
  await server.start();
  await until("the pod after a list", () => watched.addresses()?.length === 3);
  server.remove(POOLS, "default", "llama");
  await until("no pod", () => watched.addresses()?.length === 0);
});

test("a closed source sends no request", async (t) => {
  const server = await startServer(t);
  const { source, addresses } = watchCluster(t, server);
  await until("the first report", () => addresses() && server.watching >= 2);
  source.close();
  await until("the end of all watches", () => server.watching === 0);
  // A request that was sent before close() may still arrive.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const asked = server.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(server.requests.length, asked);
});
