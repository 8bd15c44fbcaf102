// Connections to pods have TLS, client certificates and renewed tokens; responses may be compressed, and metrics on another
// port.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ConfigError, parseConfig } from "../../../sidecar/config/load.ts";
import { Access } from "../../../sidecar/credentials/access.ts";
import { PodClient } from "../../../sidecar/scrape/pod-client.ts";
import { capture } from "../../../testkit/captures.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { gauges, startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { type Listening, listen } from "../../../testkit/sidecar/listen.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const pem = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const METRICS = "vllm:num_requests_waiting 3\n";

interface TlsPod extends Listening {
  /** The authorization headers and names of client certificates, in the order of the requests. */
  tokens: Array<string | undefined>;
  clients: string[];
}

async function startTlsPod(t: TestContext, certificate = "server", more: ServerOptions = {}): Promise<TlsPod> {
  const keys = { key: readFileSync(pem(`${certificate}.key`)), cert: readFileSync(pem(`${certificate}.pem`)) };
  const server = createServer({ ...keys, ...more }, (request: IncomingMessage, response: ServerResponse) => {
    pod.tokens.push(request.headers.authorization);
    const subject = (request.socket as TLSSocket).getPeerCertificate?.().subject;
    if (subject !== undefined) pod.clients.push(String(subject.CN));
    response.end(request.url === "/metrics" ? METRICS : '{"data":[{"id":"m"}]}');
  });
  const pod: TlsPod = { ...(await listen(server)), tokens: [], clients: [] };
  pod.url = pod.url.replace("http:", "https:");
  t.after(() => pod.close());
  return pod;
}

async function scene(t: TestContext, pod: TlsPod, scrape: object) {
  const filter = await startFilter();
  t.after(() => filter.close());
  await quickSidecar(t, {
    endpoints: [pod.url],
    targets: [filter.url],
    more: { scrape: { interval: "20ms", maxInterval: "20ms", timeout: "1s", maxBackoff: "100ms", ...scrape } },
  });
  return () => endpointOf(filter.stored, pod.address);
}

test("a pod with TLS is scraped if the configured CA signed its certificate", async (t) => {
  const pod = await startTlsPod(t);
  const seen = await scene(t, pod, { tls: { ca: pem("ca.pem") } });
  await until("ready", () => seen()?.ready && seen()?.waiting === 3);
});

test("an unknown CA and a wrong name are refused; serverName sets the name; verify: false accepts all", async (t) => {
  for (const [certificate, tls, ready] of [
    ["server", {}, false],
    ["other", { ca: pem("ca.pem") }, false],
    ["other", { ca: pem("ca.pem"), serverName: "other.test" }, true],
    ["other", { verify: false }, true],
  ] as const) {
    const pod = await startTlsPod(t, certificate);
    const seen = await scene(t, pod, { tls, failures: 1 });
    await until("the pod in a snapshot", () => seen() !== undefined && (!ready || seen()?.ready));
    assert.equal(seen()?.ready, ready, JSON.stringify([certificate, tls]));
    if (!ready) assert.deepEqual(pod.tokens, []);
  }
});

test("a pod that asks for a client certificate gets the configured certificate", async (t) => {
  const pod = await startTlsPod(t, "server", {
    requestCert: true,
    rejectUnauthorized: true,
    ca: readFileSync(pem("ca.pem")),
  });
  const tls = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };
  const seen = await scene(t, pod, { tls });
  await until("ready", () => seen()?.ready);
  assert.deepEqual(new Set(pod.clients), new Set(["client"]));
});

test("requests for metrics and models have the token, and the new token after its file changed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "token");
  writeFileSync(file, "first\n");
  const access = new Access({ tls: { verify: true }, bearerTokenFile: file, gzip: false });
  t.after(() => access.close());
  const tokens: string[] = [];
  const pod = await startPod();
  t.after(() => pod.close());
  pod.metrics = (request, response) => {
    tokens.push(String(request.headers.authorization));
    response.end(METRICS);
  };
  pod.models = pod.metrics;
  const client = new PodClient(pod.url, pod.url, access);
  t.after(() => client.close());
  const both = async () => {
    await client.metrics("/metrics", 1000, 30_000, String);
    await client.get("/v1/models", 1000, 30_000, String);
  };
  await both();
  writeFileSync(file, "second, with a blank");
  access.look();
  await both();
  writeFileSync(file, "third-and-good");
  access.look();
  await both();
  rmSync(file);
  access.look();
  await both();
  const [first, third] = ["Bearer first", "Bearer third-and-good"];
  assert.deepEqual(tokens, [first, first, first, first, third, third, third, third]);
});

test("new connections use a renewed certificate; a half-written pair is not used", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pilotfish-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert"), join(folder, "key")];
  copyFileSync(pem("client.pem"), cert);
  copyFileSync(pem("client.key"), key);
  const warned: string[] = [];
  const log = {
    info: (_: object, text: string) => warned.push(text),
    warn: (_: object, text: string) => warned.push(text),
  };
  const access = new Access({ tls: { cert, key, verify: true }, gzip: false }, log as never);
  t.after(() => access.close());
  copyFileSync(pem("other.pem"), cert);
  access.look();
  copyFileSync(pem("other.key"), key);
  access.look();
  assert.deepEqual(warned, [
    "certificate and key do not match: the last matching pair stays in use",
    "certificates or token of the scrapes read again",
  ]);
});

test("missing and invalid files are refused at the start, with their key", () => {
  const make =
    (tls: object, more: object = {}) =>
    () =>
      new Access({ tls: { verify: true, ...tls }, gzip: false, ...more });
  const problem = (line: RegExp) => (error: unknown) =>
    error instanceof ConfigError && line.test(error.problems.join());
  assert.throws(make({ ca: "/none" }), problem(/^scrape\.tls\.ca: got "\/none", expected a readable file/));
  assert.throws(make({ cert: pem("README.md"), key: pem("client.key") }), problem(/^scrape\.tls: expected PEM files/));
  assert.throws(make({ cert: pem("client.pem"), key: pem("other.key") }), problem(/^scrape\.tls: expected PEM files/));
  assert.throws(
    make({}, { bearerTokenFile: pem("ca.pem") }),
    problem(/^scrape\.bearerTokenFile: got a value that is not shown/),
  );
  const half = () =>
    parseConfig(
      { endpoints: ["https://127.0.0.1:1"], push: { targets: ["http://127.0.0.1:2"] }, scrape: { tls: { cert: "x" } } },
      { PILOTFISH_SECRET: "0123456789abcdef" },
    );
  assert.throws(half, problem(/^scrape\.tls\.key: got nothing, expected the file that belongs to scrape\.tls\.cert$/));
});

test("a gzip response is requested and read; another encoding, a broken body and a huge body are failures", async (t) => {
  const access = new Access({ tls: { verify: true }, gzip: true });
  const pod = await startPod();
  t.after(() => pod.close());
  const client = new PodClient(pod.url, pod.url, access);
  t.after(() => client.close());
  const answer = (body: Buffer, encoding: string) => {
    pod.metrics = (request, response) => {
      assert.equal(request.headers["accept-encoding"], "gzip");
      response.writeHead(200, { "content-encoding": encoding }).end(body);
    };
  };
  const body = capture("load");
  answer(gzipSync(body), "gzip");
  assert.deepEqual(await client.metrics("/metrics", 1 << 20, 30_000, (body) => Buffer.from(body)), body);
  const refused: Array<[Buffer, string, string]> = [
    [gzipSync(Buffer.alloc(8 << 20)), "gzip", "too_large"],
    [gzipSync(body).subarray(0, 500), "gzip", "invalid"],
    [body, "gzip", "invalid"],
    [body, "br", "invalid"],
  ];
  for (const [sent, encoding, reason] of refused) {
    answer(sent, encoding);
    await assert.rejects(
      client.metrics("/metrics", 1 << 20, 30_000, (body) => Buffer.from(body)),
      { reason },
      encoding,
    );
  }
});

test("metrics come from the port of the engine's table, or of the configuration", async (t) => {
  const [pod, agent, filter] = await Promise.all([startPod(), startPod(), startFilter()]);
  for (const server of [pod, agent, filter]) t.after(() => server.close());
  agent.metrics = gauges(0, 0);
  agent.models = (request, response) =>
    request.url === "/stats" ? response.end("ray_vllm_num_requests_waiting 6\n") : response.writeHead(404).end();
  await quickSidecar(t, {
    endpoints: [],
    targets: [filter.url],
    more: {
      endpoints: [{ url: pod.url, engine: "ray" }],
      engines: { ray: { port: Number(agent.address.split(":")[1]), path: "/stats" } },
    },
  });
  const seen = () => endpointOf(filter.stored, pod.address);
  await until("ready", () => seen()?.ready && seen()?.waiting === 6);
  assert.equal(pod.scrapes, 0);
});
