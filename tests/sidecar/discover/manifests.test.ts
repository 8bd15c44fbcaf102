// Pods from a folder of manifests: YAML and JSON, changes of files, and files with mistakes.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { ManifestsSource } from "../../../sidecar/discover/manifests.ts";
import { readManifests } from "../../../sidecar/kubernetes/manifest-file.ts";
import { createLog, type Log } from "../../../sidecar/log.ts";
import type { PodAddress } from "../../../sidecar/pod.ts";
import { pod, pool, slice } from "../../../testkit/kubernetes/objects.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const yaml = (...objects: object[]) => objects.map((object) => stringify(object)).join("---\n");

function folder(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const lines: Array<Record<string, unknown>> = [];
  const note = (detail: Record<string, unknown>) => void lines.push(detail);
  const log = Object.assign(createLog("silent"), { warn: note, info: note }) as unknown as Log;
  let pods: readonly PodAddress[] | undefined;
  const options = { directory, pools: [], services: "all" as const, engine: "vllm" as const };
  const source = new ManifestsSource({ ...options, rescanMs: 50 }, { log, failed: () => {} });
  t.after(() => source.close());
  return {
    source,
    lines,
    directory,
    start: () => source.start((reported) => (pods = reported)),
    addresses: () => pods?.map(({ address }) => address),
    write: (name: string, text: string) => writeFileSync(join(directory, name), text),
    remove: (name: string) => unlinkSync(join(directory, name)),
  };
}

test("YAML documents, Lists and JSON are read in the forms that kubectl prints", () => {
  const list = {
    apiVersion: "v1",
    kind: "List",
    metadata: { resourceVersion: "" },
    items: [pod("a", "x", "10.0.0.1"), pod("b", "x", "10.0.0.2")],
  };
  const text = `# a comment\n---\n${yaml(pool("p", "x", 80), list)}---\n---\n# nothing\n`;
  assert.deepEqual(
    [...readManifests(text, false).objects.keys()],
    ["pool default/p", "pod default/a", "pod default/b"],
  );
  assert.deepEqual([...readManifests(JSON.stringify(list), true).objects.keys()], ["pod default/a", "pod default/b"]);
  for (const [read, json] of [
    [readManifests("", false), false],
    [readManifests("[1]", true), true],
  ] as const) {
    assert.equal(read.objects.size, 0);
    assert.equal(read.problems.length, Number(json));
  }
});

test("a broken document is reported with its number and field, an unused document in one line; other documents are read", () => {
  const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" } };
  const list = { apiVersion: "v1", kind: "PodList", items: [pod("a", "x", "10.0.0.1"), pod("b", "x", "bad")] };
  const text = `${yaml(service, pool("p", "x", 0), list)}---\nfoo: [bar\n---\n${yaml(pod("c", "x", "10.0.0.3"))}`;
  const read = readManifests(text, false);
  assert.deepEqual([...read.objects.keys()], ["pod default/a", "pod default/c"]);
  assert.deepEqual(read.unused, ["document 1: Service of v1"]);
  assert.equal(read.torn, true);
  assert.deepEqual(read.problems.slice(0, 3), [
    "document 2, InferencePool default/p: spec.targetPorts[0].number: got 0, expected a port, an integer from 1 to 65535",
    'document 3, items[1], Pod default/b: status.podIP: got "bad", expected an IP address',
    'document 3, items[1], Pod default/b: status.podIPs[0].ip: got "bad", expected an IP address',
  ]);
  assert.match(read.problems[3] ?? "", /^document 4: line \d+, column \d+: /);
});

test("exponential YAML aliases make only their document a problem", () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;
  const read = readManifests(`${bomb}---\n${yaml(pod("a", "x", "10.0.0.1"))}`, false);
  assert.deepEqual([read.objects.size, read.torn], [1, true]);
  assert.match(read.problems[0] ?? "", /^document 1: /);
});

test("a folder is watched: files appear, change, are replaced and vanish", async (t) => {
  const { write, remove, start, addresses, directory } = folder(t);
  write("pool.yaml", yaml(pool("p", "x", 80)));
  start();
  await until("no pods yet", () => addresses()?.length === 0);
  write("pods.yml", yaml(pod("a", "x", "10.0.0.1")));
  await until("one pod", () => addresses()?.length === 1);
  write("pods.yml.new", yaml(pod("b", "x", "10.0.0.2")));
  renameSync(join(directory, "pods.yml.new"), join(directory, "pods.yml"));
  await until("another pod", () => addresses()?.[0] === "10.0.0.2:80");
  write("slice.json", JSON.stringify(slice("s", { serve: 8000 }, "10.0.0.9")));
  write(".hidden.yaml", yaml(pod("h", "x", "10.0.0.7")));
  write("notes.txt", "not a manifest: [");
  await until("the pod of a slice", () => isDeepStrictEqual(addresses(), ["10.0.0.2:80", "10.0.0.9:8000"]));
  remove("pods.yml");
  await until("only the pod of the slice", () => isDeepStrictEqual(addresses(), ["10.0.0.9:8000"]));
});

test("after a mistake in a file, its last good objects stay: only the wrong object, or all if the file is not YAML", async (t) => {
  const { write, start, addresses, lines, source } = folder(t);
  write("all.yaml", yaml(pool("p", "x", 80), pod("a", "x", "10.0.0.1")));
  start();
  await until("one pod", () => addresses()?.length === 1);
  write("all.yaml", yaml(pool("p", "x", 80_000), pod("a", "x", "10.0.0.1"), pod("b", "x", "10.0.0.2")));
  await until("the new pod, on the old port", () => isDeepStrictEqual(addresses(), ["10.0.0.1:80", "10.0.0.2:80"]));
  assert.match(String(lines.find(({ problem }) => problem)?.problem), /^document 1, InferencePool default\/p: spec/);
  write("all.yaml", "a: [b\n");
  await until("the file to be read", () => lines.some(({ problem }) => String(problem).startsWith("document 1: line")));
  assert.equal(source.seen?.().pods.length, 2);
  write("all.yaml", yaml(pool("p", "x", 81)));
  await until("the removed pod to vanish", () => addresses()?.length === 0);
});

test("a missing folder is logged, and read when it exists", async (t) => {
  const { directory, start, addresses, lines, write } = folder(t);
  rmSync(directory, { recursive: true });
  start();
  await until("the warning", () => lines.some(({ error }) => String(error).startsWith("ENOENT")));
  assert.equal(addresses(), undefined);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(directory);
  write("a.yaml", yaml(pool("p", "x", 80), pod("a", "x", "10.0.0.1")));
  await until("read", () => addresses()?.length === 1);
});

test("the filter receives not ready, draining and asleep from manifests, and /objects shows the other fields", async (t) => {
  const fake = await startPod();
  const filter = await startFilter();
  for (const server of [fake, filter]) t.after(() => server.close());
  const { directory, write } = folder(t);
  const port = Number(fake.address.split(":")[1]);
  const objective = {
    apiVersion: "inference.networking.x-k8s.io/v1alpha2",
    kind: "InferenceObjective",
    metadata: { name: "o" },
    spec: { priority: 3, poolRef: { name: "p" } },
  };
  const say = (more: object) =>
    write("all.yaml", yaml(pool("p", "x", port), { ...pod("a", "x", "127.0.0.1", more) }, objective));
  say({});
  const sidecar = await quickSidecar(t, { targets: [filter.url], more: { manifests: { directory } } });
  const endpoint = () => endpointOf(filter.stored, fake.address);
  await until("ready", () => endpoint()?.ready);
  assert.deepEqual([endpoint()?.draining, endpoint()?.asleep], [false, false]);
  say({ ready: false });
  await until("not ready", () => endpoint()?.ready === false);
  say({ deleted: true });
  await until("draining", () => endpoint()?.draining);
  const sleeping = pod("a", "x", "127.0.0.1");
  Object.assign(sleeping.metadata.labels as object, { "dual-pods.llm-d.ai/sleeping": "true" });
  write("all.yaml", yaml(pool("p", "x", port), sleeping, objective));
  await until("asleep", () => endpoint()?.asleep && endpoint()?.draining === false);
  const shown = (await (await fetch(`${sidecar.url}/objects`)).json()) as {
    sources: Array<{ source: string; objectives: unknown[] }>;
  };
  assert.deepEqual(shown.sources[0]?.objectives, [
    { kind: "objective", namespace: "default", name: "o", pool: "p", priority: 3 },
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(sidecar.objects())), shown.sources);
  write("all.yaml", yaml(pool("p", "x", port)));
  await until("no pod", () => filter.stored?.endpoints.length === 0);
});
