// Uses the fake API server as the endpoint picker does: discovery, lists, and a watch that begins with a list.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeApiServer, TOKEN } from "../../testkit/kubernetes/fake-api-server.ts";
import { pod, pool } from "../../testkit/kubernetes/objects.ts";
import { type KubeObject, kindOf, resourceOf } from "../../testkit/kubernetes/resources.ts";

const server = new FakeApiServer();
const headers = { authorization: `Bearer ${TOKEN}` };

before(async () => {
  await server.start();
  for (const object of [pool("pool", "app", 8000), pod("one", "app", "127.0.1.1"), pod("two", "app", "127.0.1.2")]) {
    server.installed.add(resourceOf(object));
    server.put(resourceOf(object), object);
  }
});
after(() => server.kill());

// biome-ignore lint/suspicious/noExplicitAny: the test knows the shape that it expects
async function get(path: string): Promise<{ status: number; json: any }> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
  return { status: response.status, json: await response.json() };
}

test("discovery names the groups, versions and resources that are installed", async () => {
  const groups = (await get("/apis")).json.groups as { name: string; preferredVersion: { groupVersion: string } }[];
  assert.deepEqual(
    groups.map(({ name, preferredVersion }) => [name, preferredVersion.groupVersion]),
    [["inference.networking.k8s.io", "inference.networking.k8s.io/v1"]],
  );
  const { json } = await get("/apis/inference.networking.k8s.io/v1");
  assert.deepEqual([json.groupVersion, json.resources[0].kind], ["inference.networking.k8s.io/v1", "InferencePool"]);
  assert.equal((await get("/api/v1")).json.resources[0].name, "pods");
  assert.equal((await get("/apis/inference.networking.k8s.io")).json.versions.length, 1);
});

test("a list has its kind, and its items have a uid and a version", async () => {
  const { json } = await get("/api/v1/namespaces/default/pods?limit=500");
  assert.deepEqual([json.kind, json.apiVersion], ["PodList", "v1"]);
  const items = json.items as { metadata: { uid: string; resourceVersion: string }; status: { podIP: string } }[];
  assert.deepEqual(
    items.map(({ status }) => status.podIP),
    ["127.0.1.1", "127.0.1.2"],
  );
  assert.equal(new Set(items.map(({ metadata }) => metadata.uid)).size, 2);
  assert.ok(items.every(({ metadata }) => Number(metadata.resourceVersion) > 0));
});

test("a watch that asks for initial events gets every object and a bookmark that ends them", async () => {
  const abort = new AbortController();
  const url = `http://127.0.0.1:${server.port}/api/v1/namespaces/default/pods?watch=true&sendInitialEvents=true`;
  const watch = await fetch(url, { signal: abort.signal, headers });
  let text = "";
  for await (const chunk of watch.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes("initial-events-end")) break;
  }
  assert.equal(text.split("\n").filter((line) => line.includes('"ADDED"')).length, 2);
  abort.abort();
});

test("a resource that is not installed is a 404, another method is a 501", async () => {
  assert.equal((await get("/api/v1/namespaces/default/secrets")).status, 404);
  const url = `http://127.0.0.1:${server.port}/api/v1/namespaces/default/pods`;
  assert.equal((await fetch(url, { method: "POST", headers })).status, 501);
});

test("a kind leads to its resource, and the resource to its kind", () => {
  const object: Pick<KubeObject, "apiVersion" | "kind"> = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" };
  assert.equal(resourceOf(object), "apis/discovery.k8s.io/v1/endpointslices");
  assert.deepEqual(kindOf(resourceOf(object)), object);
  assert.throws(() => kindOf("api/v1/unheard"), /expected a plural of pods/);
});
