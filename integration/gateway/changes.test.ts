// An admin makes changes during traffic: another configuration, another module, an OCI image instead of a file, other secrets,
// authentication enabled, the policy removed. No change loses a request.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { RenderOptions } from "../../envoy/gateway/render.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { valuesOf } from "../../testkit/echo.ts";
import { MODULE, push, SECRET, snapshotOf } from "../../testkit/envoy/filter-envoy.ts";
import { cachedGateway, GATEWAY_VERSION } from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { KEYS_ON_MODEL_ROUTE, manifests, wasmFile } from "../../testkit/envoy-gateway/manifests.ts";
import {
  closePods,
  fleet,
  GEMMA,
  type Pods,
  QWEN,
  SLOW_MODEL,
  startPods,
} from "../../testkit/envoy-gateway/model-servers.ts";
import { type HttpCode, ModuleServer } from "../../testkit/envoy-gateway/registry.ts";
import { StandaloneGateway } from "../../testkit/envoy-gateway/standalone.ts";
import { chat, JSON_TYPE, post, send } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";
import { pushEverywhere } from "./behaviours.ts";
import { type LoadResult, underLoad } from "./under-load.ts";

const binaries = await cachedGateway();
const skip = binaries ? false : "Envoy Gateway has not been built; `make test-gateway` does that";
const OTHER_SECRET = "another-secret-4567890";

for (const mode of ["stock", "single"] as const) {
  describe(`changes, Envoy Gateway ${GATEWAY_VERSION}, ${mode} mode`, { skip }, () => {
    let pods: Pods;
    let server: ModuleServer;
    let gateway: StandaloneGateway;
    let module: Buffer;
    let code: HttpCode;

    const apply = async (options: Partial<RenderOptions> = {}, change?: (files: Map<string, string>) => void) => {
      const files = await manifests(gateway, pods, { mode, code, ...options });
      change?.(files);
      await gateway.apply(files);
      return files;
    };
    const load = (action: () => Promise<void>): Promise<LoadResult> =>
      underLoad(
        {
          url: gateway.url,
          width: 6,
          request: (i) =>
            i % 2 === 0 ? { body: chat(GEMMA), servedBy: /^gemma-/ } : { body: chat(QWEN), servedBy: /^qwen-/ },
        },
        action,
      );
    const clean = ({ sent, failures }: LoadResult) => {
      assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${sent} requests failed`);
      assert.ok(sent > 100, `${sent} requests`);
    };
    /** Waits until the active listener contains this text and no new listener is warming. */
    const inUse = (text: string) =>
      until(`${text} in use`, async () => {
        const listener = await gateway.llmListener();
        return !listener.warming && listener.text.includes(text);
      });

    before(async () => {
      if (!binaries) return;
      module = await readFile(MODULE);
      pods = await startPods();
      server = await new ModuleServer().start();
      gateway = await StandaloneGateway.start({ binaries, envoyVersion: DEFAULT_VERSION, secret: SECRET });
      code = server.addModule(module);
      await apply();
      await gateway.ready();
      await pushEverywhere(gateway, fleet(pods));
    });
    after(async () => {
      await gateway?.close();
      await server?.close();
      await closePods(pods);
    });

    test("another configuration under load loses no request, and an open stream goes on", async () => {
      const stream = post(gateway.url, chat(SLOW_MODEL, { stream: true, max_tokens: 80 }));
      const result = await load(async () => {
        await apply({ config: { models: { list: false } } });
        await until("the new configuration at every worker", async () => {
          const seen = await Promise.all(Array.from({ length: 32 }, () => send(gateway.url, { path: "/v1/models" })));
          return seen.every(({ status }) => status === 404);
        });
      });
      clean(result);
      const { status, text } = await stream;
      assert.equal(status, 200);
      assert.match(text, /data: \[DONE\]/);
    });

    test("the snapshot outlives a change of the configuration", async () => {
      const busy = { waiting: 60, running: 60, kvUsage: 0.9 };
      await pushEverywhere(gateway, fleet(pods, busy, {}));
      await apply({ config: { body: { maxBytes: 4_000_000 } } });
      await inUse("4000000");
      for (let i = 0; i < 8; i++) assert.equal((await post(gateway.url, chat(GEMMA))).pod, "gemma-2");
    });

    test("another module under load loses no request", async () => {
      const other = server.addModule(variant(module, "by http"));
      const result = await load(async () => {
        await apply({ code: other });
        await inUse(other.sha256);
      });
      clean(result);
    });

    test("a module from an OCI image under load loses no request", async () => {
      const fromImage = variant(module, "by image");
      const { image, digest } = server.addImage(fromImage, "pilotfish/pilotfish", "0.1.0");
      const result = await load(async () => {
        await apply({ code: { image, digest } });
        await inUse(createHash("sha256").update(fromImage).digest("hex"));
      });
      clean(result);
      assert.ok(server.requests.includes("GET /v2/pilotfish/pilotfish/manifests/0.1.0"));
      await pushEverywhere(gateway, fleet(pods));
    });

    test("changing the push secret under load loses no request and refuses no push, and the old secret ends", async () => {
      const staleAfter = "3600s";
      const both = { snapshot: { staleAfter, secret: [SECRET, OTHER_SECRET] } };
      const next = { snapshot: { staleAfter, secret: OTHER_SECRET } };
      let secret = SECRET;
      let pushing = true;
      const refused: string[] = [];
      /** A sidecar whose secret changes between the two steps. */
      const sidecar = async () => {
        while (pushing) {
          const { status, text } = await push(gateway.url, snapshotOf(fleet(pods)), secret);
          if (status !== 200) refused.push(`${status} ${text}`);
          await sleep(50);
        }
      };
      const everyWorkerTakes = (given: string) =>
        until("the secret at every worker", async () => {
          const answers = await Promise.all(
            Array.from({ length: 32 }, () => push(gateway.url, snapshotOf(fleet(pods), 1n), given)),
          );
          // The push is authenticated, and too old to be stored.
          return answers.every(({ status }) => status === 409);
        });
      const result = await load(async () => {
        const pusher = sidecar();
        await apply({ config: both });
        await everyWorkerTakes(OTHER_SECRET);
        secret = OTHER_SECRET;
        await apply({ config: next });
        await until("the old secret refused", async () => {
          const answers = await Promise.all(
            Array.from({ length: 32 }, () => push(gateway.url, snapshotOf(fleet(pods), 1n), SECRET)),
          );
          return answers.every(({ status }) => status === 401);
        });
        pushing = false;
        await pusher;
      });
      clean(result);
      assert.deepEqual(refused, []);
      await apply();
      await until(
        "the old secret again",
        async () => (await push(gateway.url, snapshotOf(fleet(pods)))).status === 200,
      );
    });

    test("authentication on the listener applies to every path except the sidecar's", async () => {
      const files = await apply({ auth: true });
      const key = keyOf(files);
      await until("authentication", async () => (await post(gateway.url, chat(QWEN))).status === 401);
      const wrong = await post(gateway.url, chat(QWEN), { headers: { ...JSON_TYPE, authorization: "Bearer no" } });
      assert.equal(wrong.status, 401);
      assert.equal((await send(gateway.url, { path: "/v1/models" })).status, 401);
      for (const path of ["/.pilotfish/snapshot/x", "/.pilotfish/", "/.pilotfish/snapshot/../../v1/models"])
        assert.equal((await send(gateway.url, { path })).status, 401, path);
      const right = await post(gateway.url, chat(QWEN), { headers: { ...JSON_TYPE, authorization: `Bearer ${key}` } });
      assert.equal(right.status, 200, right.text);
      assert.deepEqual(valuesOf(pods.qwen.last(), "authorization"), [], "the key does not reach the pod");
      assert.deepEqual(valuesOf(pods.qwen.last(), "x-client-id"), ["example-client"]);
      assert.equal((await push(gateway.url, snapshotOf(fleet(pods)))).status, 200, "the sidecar needs no key");
      assert.equal((await push(gateway.url, snapshotOf(fleet(pods)), "no-such-secret-123")).status, 401);
      assert.equal((await post(gateway.plainUrl, chat(QWEN))).status, 200, "the plain listener requires no key");
    });

    test("Envoy skips authentication on a model's route, so authentication belongs on the listener", async () => {
      await apply();
      await until(
        "no authentication on the listener",
        async () => (await post(gateway.url, chat(QWEN))).status === 200,
      );
      await apply({}, (files) => files.set("keys.yaml", KEYS_ON_MODEL_ROUTE));
      await until("the route's policy", async () => {
        const routes = await gateway.admin("/config_dump?resource=dynamic_route_configs");
        return routes.includes("envoy.filters.http.api_key_auth");
      });
      assert.equal((await post(gateway.url, chat(QWEN))).status, 200, "a request without credentials is served");
    });

    test("without the policy the listener is as it was before", async () => {
      const without = (files: Map<string, string>) => {
        files.delete(wasmFile(mode));
        files.delete("single-patch.yaml");
      };
      await apply({}, without);
      await until("no filter", async () => !(await gateway.llmListener()).text.includes("envoy.filters.http.wasm"));
      const before = await gateway.llmListener();
      await apply();
      await inUse("envoy.filters.http.wasm");
      await until("routing by the body", async () => (await post(gateway.url, chat(QWEN))).status === 200);
      await apply({}, without);
      await until(
        "no filter again",
        async () => !(await gateway.llmListener()).text.includes("envoy.filters.http.wasm"),
      );
      assert.equal((await gateway.llmListener()).text, before.text);
      assert.equal((await post(gateway.url, chat(QWEN))).status, 404);
      assert.equal((await post(gateway.plainUrl, chat(QWEN))).status, 200);
    });
  });
}

/** The same module with other bytes: it has an additional custom section. */
function variant(module: Buffer, text: string): Buffer {
  const name = Buffer.from("note");
  const content = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(text)]);
  return Buffer.concat([module, Buffer.from([0, content.length]), content]);
}

function keyOf(files: ReadonlyMap<string, string>): string {
  const { data } = parse(files.get("auth-api-keys.yaml") ?? "") as { data: Record<string, string> };
  return Buffer.from(data["example-client"] ?? "", "base64").toString();
}
