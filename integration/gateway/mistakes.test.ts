// Each test makes a wrong set-up and checks its symptom. No request hangs. The filter logs the mistake once in Envoy's log, and counts
// it. docs/how-to/envoy-gateway.md lists the same symptoms with their remedies.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { parseDocument } from "yaml";
import type { JsonObject } from "../../envoy/json.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { MODULE, push, SECRET, snapshotOf } from "../../testkit/envoy/filter-envoy.ts";
import { cachedGateway, GATEWAY_VERSION } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { manifests } from "../../testkit/envoy-gateway/manifests.ts";
import { closePods, fleet, GEMMA, type Pods, QWEN, startPods } from "../../testkit/envoy-gateway/model-servers.ts";
import { type HttpCode, ModuleServer } from "../../testkit/envoy-gateway/registry.ts";
import { StandaloneGateway } from "../../testkit/envoy-gateway/standalone.ts";
import { type Answer, chat, post } from "../../testkit/http.ts";
import { inParallel, until } from "../../testkit/until.ts";
import { counterOf } from "./behaviours.ts";

const binaries = await cachedGateway();
const skip = binaries ? false : "Envoy Gateway has not been built; `make test-gateway` does that";
const ANSWERED_MS = 20_000;

describe(`wrong set-ups, Envoy Gateway ${GATEWAY_VERSION}`, { skip }, () => {
  let pods: Pods;
  let server: ModuleServer;
  let gateway: StandaloneGateway;
  let code: HttpCode;
  /** Number of log lines before the last change; later lines belong to the current set-up. */
  let lastLine = "";

  before(async () => {
    if (!binaries) return;
    pods = await startPods();
    server = await new ModuleServer().start();
    code = server.addModule(await readFile(MODULE));
    gateway = await StandaloneGateway.start({ binaries, envoyVersion: DEFAULT_VERSION, secret: SECRET });
    await gateway.apply(await manifests(gateway, pods, { mode: "stock", code }));
    await gateway.ready();
  });
  after(async () => {
    await gateway?.close();
    await server?.close();
    await closePods(pods);
  });

  /** Applies a changed set of manifests and waits until `applied` finds it in the listener or the routes. */
  async function apply(
    mode: "stock" | "single",
    change: (files: Map<string, string>) => void,
    applied: (listener: string, routes: string) => boolean,
    config: JsonObject = {},
  ): Promise<void> {
    const files = await manifests(gateway, pods, { mode, code, config });
    change(files);
    lastLine = gateway.logs().at(-1) ?? "";
    await gateway.apply(files);
    await until("the wrong set-up in use", async () => {
      const { text, warming } = await gateway.llmListener();
      const routes = await gateway.admin("/config_dump?resource=dynamic_route_configs");
      return !warming && applied(text, routes);
    });
    await push(gateway.url, snapshotOf(fleet(pods)));
  }

  const ask = (model: string): Promise<Answer> =>
    post(gateway.url, chat(model), { signal: AbortSignal.timeout(ANSWERED_MS) });

  /** Sends requests until every worker has had one, then expects the sentence at most once for each VM. */
  async function says(sentence: RegExp, counter: string, status: number): Promise<void> {
    for (let i = 0; i < 12; i++) assert.equal((await ask(GEMMA)).status, status);
    await until(`the counter ${counter}`, async () => (await counterOf(gateway, counter)) > 0);
    // If the last set-up had the same VM, that VM still runs, and logged the sentence earlier.
    await until(`a log line like ${sentence}`, () => gateway.logs().some((line) => sentence.test(line)));
    const lines = gateway.logs();
    const found = lines.slice(lines.lastIndexOf(lastLine) + 1).filter((line) => sentence.test(line));
    assert.ok(found.length <= 3, `once for each VM, not for each request: ${found.length}`);
  }

  const roles = (text: string): string =>
    [...text.matchAll(/\\"role\\":\\"([a-z]+)\\"/g)].map(([, role]) => role).join();

  test("holder before reader: a 404 without a hang, and the log names both positions", async () => {
    const swapped = (files: Map<string, string>) =>
      edit(files, "stock-wasm.yaml", ["spec", "wasm"], (list) => list.reverse());
    await apply("stock", swapped, (listener) => roles(listener) === "holder,reader");
    await says(/set up wrongly: .*role holder has no reader in front/, "setup.no_reader", 404);
  });

  test("a reader alone: a 404 without a hang, and the log says that the holder is missing", async () => {
    const alone = (files: Map<string, string>) =>
      edit(files, "stock-wasm.yaml", ["spec", "wasm"], (list) => list.slice(0, 1));
    await apply("stock", alone, (listener) => roles(listener) === "reader");
    await says(/set up wrongly: .*role reader has no holder behind/, "setup.no_holder", 404);
  });

  test("a holder alone: a 404, and the log says that the reader is missing", async () => {
    const alone = (files: Map<string, string>) =>
      edit(files, "stock-wasm.yaml", ["spec", "wasm"], (list) => list.slice(1));
    await apply("stock", alone, (listener) => roles(listener) === "holder");
    await says(/set up wrongly: .*role holder has no reader in front/, "setup.no_reader", 404);
  });

  test("one filter without the flag: an answer, and the log says that the flag is missing", async () => {
    const unpatched = (files: Map<string, string>) => files.delete("single-patch.yaml");
    await apply(
      "single",
      unpatched,
      (listener) => roles(listener) === "single" && !listener.includes("stop_iteration"),
    );
    const answer = await ask(GEMMA);
    assert.notEqual(answer.status, 200);
    await until("the counter", async () => (await counterOf(gateway, "setup.no_body")) > 0);
    await until("a log line", () =>
      gateway.logs().some((line) => /set up wrongly: allow_on_headers_stop_iteration/.test(line)),
    );
  });

  test("no override policy: requests are served, and a counter says that picks are not followed", async () => {
    const ignoring = (files: Map<string, string>) => files.delete("base-backend-traffic.yaml");
    await apply(
      "stock",
      ignoring,
      (listener, routes) => roles(listener) === "reader,holder" && !routes.includes("retry_policy"),
    );
    await push(gateway.url, snapshotOf(fleet(pods, {}, { ready: false })));
    // A single pick that is not followed may be a retry, so the filter logs only after many of them.
    await until("a log line", async () => {
      await inParallel(32, 8, async () => assert.equal((await ask(GEMMA)).status, 200));
      return gateway.logs().some((line) => /picks are not followed: .*endpointOverride/.test(line));
    });
    assert.ok((await counterOf(gateway, "setup.not_followed")) > 0);
  });

  test("no override policy: a body above 32 KiB is a 413 too", async () => {
    const answer = await post(gateway.url, chat(QWEN, { user: "a".repeat(60_000) }));
    assert.equal(answer.status, 413);
  });

  test("no catch-all route: an empty 404, and the filter never sees the request", async () => {
    const without = (files: Map<string, string>) => files.delete("base-catchall.yaml");
    await apply(
      "stock",
      without,
      (listener, routes) => roles(listener) === "reader,holder" && !routes.includes("catchall"),
    );
    const before = await counterOf(gateway, "requests");
    const answer = await ask(GEMMA);
    assert.equal(answer.status, 404);
    assert.equal(answer.text, "");
    assert.equal(await counterOf(gateway, "requests"), before);
  });

  test("requests are routed after the set-up is corrected", async () => {
    await apply(
      "stock",
      () => undefined,
      (listener, routes) => roles(listener) === "reader,holder" && routes.includes("catchall"),
    );
    await until("a routed request", async () => (await ask(QWEN)).status === 200);
    assert.match((await ask(QWEN)).pod ?? "", /^qwen-/);
  });

  test("a name with an escaped slash in the path: a 307, or routed if the listener keeps slashes", async () => {
    const config = { paths: ["/model/{model}/invoke"] };
    const path = `/model/${encodeURIComponent(GEMMA)}/invoke`;
    const escaped = () => post(gateway.url, "{}", { path, signal: AbortSignal.timeout(ANSWERED_MS) });
    const hasPaths = (listener: string) => listener.includes("/model/{model}/invoke");
    await apply("stock", () => undefined, hasPaths, config);
    assert.equal((await escaped()).status, 307);
    const kept = (files: Map<string, string>) => {
      const document = parseDocument(files.get("base-client-traffic.yaml") ?? "");
      document.setIn(["spec", "path", "escapedSlashesAction"], "KeepUnchanged");
      files.set("base-client-traffic.yaml", document.toString());
    };
    await apply("stock", kept, (listener) => hasPaths(listener) && !listener.includes("UNESCAPE_AND_REDIRECT"), config);
    await until("a routed request", async () => /^gemma-/.test((await escaped()).pod ?? ""));
  });
});

function edit(files: Map<string, string>, name: string, path: string[], change: (list: unknown[]) => unknown[]): void {
  const document = parseDocument(files.get(name) ?? "");
  const list = (document.toJS() as { spec: { wasm: unknown[] } }).spec.wasm;
  document.setIn(path, document.createNode(change(list)));
  files.set(name, document.toString());
}
