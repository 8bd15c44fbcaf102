// Pods by DNS name and by address, and the directory that joins several sources.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Directory } from "../../../sidecar/discover/directory.ts";
import { dnsSource } from "../../../sidecar/discover/dns.ts";
import { staticSource } from "../../../sidecar/discover/static.ts";
import { createLog } from "../../../sidecar/log.ts";
import type { PodAddress } from "../../../sidecar/pod.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { modelList, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const log = createLog("silent");
const at = (address: string): PodAddress => ({ address, origin: `http://${address}`, engine: "vllm" });
const failure = (code: string) => Object.assign(new Error(code), { code });

/** A resolver that returns the results of a script, and repeats the last result. */
function scripted(...script: Array<string[] | Error>) {
  const reports: string[][] = [];
  let asked = 0;
  const resolve = async (): Promise<string[]> => {
    const next = script[Math.min(asked++, script.length - 1)] as string[] | Error;
    if (next instanceof Error) throw next;
    return next;
  };
  return { resolve, reports, asked: () => asked };
}

const options = { name: "pods.test", port: 8000, intervalMs: 1, engine: "vllm" as const };

test("each IPv4 and IPv6 address of a name is a pod; a later result replaces an earlier one", async () => {
  const script = scripted(["10.0.0.1", "fd00:0::1", "fe80::1%eth0"], ["10.0.0.2"]);
  const source = dnsSource(options, { log, failed: () => {}, resolve: script.resolve });
  source.start((pods) => script.reports.push(pods.map((pod) => pod.origin)));
  await until("two answers", () => script.reports.length >= 2);
  source.close();
  assert.deepEqual(script.reports.slice(0, 2), [
    ["http://10.0.0.1:8000", "http://[fd00::1]:8000"],
    ["http://10.0.0.2:8000"],
  ]);
});

test("a name in a URL is one pod, at its first address", async () => {
  const script = scripted(["127.0.0.1", "::1"]);
  const source = dnsSource({ ...options, first: true }, { log, failed: () => {}, resolve: script.resolve });
  source.start((pods) => script.reports.push(pods.map((pod) => pod.address)));
  await until("an answer", () => script.reports[0]);
  source.close();
  assert.deepEqual(script.reports[0], ["127.0.0.1:8000"]);
});

test("a failed lookup keeps the pods; ENOTFOUND three times in a row removes them", async () => {
  let failures = 0;
  const gone = failure("ENOTFOUND");
  const script = scripted(["10.0.0.1"], failure("EAI_AGAIN"), gone, gone, failure("EAI_AGAIN"), gone, gone, gone, [
    "10.0.0.3",
  ]);
  const source = dnsSource(options, { log, failed: () => failures++, resolve: script.resolve });
  source.start((pods) => script.reports.push(pods.map((pod) => pod.address)));
  await until("the last answer", () => script.reports.length >= 3);
  source.close();
  assert.deepEqual(script.reports.slice(0, 3), [["10.0.0.1:8000"], [], ["10.0.0.3:8000"]]);
  assert.equal(failures, 7);
});

test("a closed source resolves and reports nothing", async () => {
  let answer: ((addresses: string[]) => void) | undefined;
  const resolve = () => new Promise<string[]>((resolveAddresses) => (answer = resolveAddresses));
  const source = dnsSource(options, { log, failed: () => {}, resolve });
  let reports = 0;
  source.start(() => reports++);
  source.close();
  answer?.(["10.0.0.1"]);
  await new Promise((resolveLater) => setTimeout(resolveLater, 10));
  assert.equal(reports, 0);
});

test("a pod stays while a source lists the pod; the directory knows the sources that have not reported", () => {
  const events: string[] = [];
  let report: (pods: readonly PodAddress[]) => void = () => {};
  const start = (receive: typeof report) => {
    report = receive;
  };
  const other = { name: "other", start, close: () => {} };
  const directory = new Directory([staticSource([at("10.0.0.1:80"), at("10.0.0.1:80")]), other], {
    appeared: (pod) => events.push(`+${pod.address}`),
    vanished: (address) => events.push(`-${address}`),
    updated: (pod) => events.push(`~${pod.address}`),
    reported: () => {},
  });
  directory.start();
  assert.deepEqual(directory.awaited, ["other"]);
  report([at("10.0.0.1:80"), at("10.0.0.2:80")]);
  assert.deepEqual(directory.awaited, []);
  report([]);
  assert.deepEqual(events, ["+10.0.0.1:80", "+10.0.0.2:80", "-10.0.0.2:80"]);
});

test("when a name loses an address, the pod leaves the snapshot and its series leave the metrics", async (t) => {
  const pods = [await startPod(), await startPod()];
  const filter = await startFilter();
  for (const server of [...pods, filter]) t.after(() => server.close());
  const [kept, lost] = pods as [(typeof pods)[0], (typeof pods)[0]];
  lost.models = modelList("only-there");
  // Two names, since all addresses of one name have the same port.
  const names = new Map([
    ["kept.test", ["127.0.0.1"]],
    ["lost.test", ["127.0.0.1"]],
  ]);
  const dns = [kept, lost].map((pod, i) => {
    return { name: [...names.keys()][i], port: Number(pod.address.split(":")[1]), interval: "100ms" };
  });
  const resolve = async (name: string) => names.get(name) ?? [];
  const sidecar = await quickSidecar(t, { targets: [filter.url], more: { dns }, parts: { resolve } });
  await until("both", () => filter.stored?.endpoints.filter((e) => e.ready).length === 2);
  const metrics = async () => (await fetch(`${sidecar.url}/metrics`)).text();
  assert.ok((await metrics()).includes(lost.address));
  names.set("lost.test", []);
  await until("one", () => filter.stored?.endpoints.length === 1);
  assert.equal(filter.stored?.endpoints[0]?.address, kept.address);
  assert.deepEqual(
    filter.stored?.models.map((m) => m.name),
    ["m"],
  );
  const after = await metrics();
  assert.ok(!after.includes(lost.address));
  assert.ok(after.includes(kept.address));
  const { scrapes } = lost;
  await until("ten more scrapes of the other", () => kept.scrapes > 10 + scrapes);
  assert.ok(lost.scrapes <= scrapes + 1);
});
