// WebSockets through the filter. The request of a WebSocket has no end, so the filter must not wait for an end.
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { JsonObject } from "../../envoy/json.ts";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";

const server = http.createServer();
let seen: http.IncomingHttpHeaders = {};
let envoy: TestEnvoy;

/** Allows WebSockets, also over HTTP/2. */
function allowUpgrades(bootstrap: JsonObject): void {
  // biome-ignore lint/suspicious/noExplicitAny: the bootstrap is plain JSON
  const { listeners } = bootstrap.static_resources as any;
  const manager = listeners[0].filter_chains[0].filters[0].typed_config;
  manager.upgrade_configs = [{ upgrade_type: "websocket" }];
  manager.http2_protocol_options.allow_connect = true;
}

around(
  async () => {
    server.on("upgrade", (request, socket) => {
      seen = request.headers;
      // Envoy may reset the stream after its client has gone.
      socket.on("error", () => {});
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoints = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
    const pools = [{ name: "pool", models: ["m"], endpoints }];
    envoy = await startGateway({ pools, defaultPool: "pool", edit: allowUpgrades });
  },
  async () => {
    await envoy?.close();
    server.close().closeAllConnections();
  },
);

test("a WebSocket opens at once and carries data both ways, without the client's model header", async () => {
  const headers = { connection: "Upgrade", upgrade: "websocket", [MODEL_HEADER]: "m" };
  const rise = await rises(envoy, async () => {
    const request = http.get({ host: "127.0.0.1", port: envoy.port, path: "/v1/realtime", headers, agent: false });
    const said = await new Promise<string>((resolve, reject) => {
      request.on("error", reject).on("upgrade", (response, socket) => {
        assert.equal(response.statusCode, 101);
        socket.on("data", (data: Buffer) => resolve(data.toString()) ?? socket.destroy());
        socket.write("hello");
      });
    });
    assert.equal(said, "hello");
  });
  assert.equal(seen[MODEL_HEADER], undefined);
  assert.deepEqual(rise, { requests: 1, no_body: 1, control_header_stripped: 1 });
});

test("a WebSocket over HTTP/2 does so too", async () => {
  const session = http2.connect(envoy.url);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/v1/realtime" });
  const said = await new Promise<string>((resolve, reject) => {
    stream.on("error", reject).on("data", (data: Buffer) => resolve(data.toString()));
    stream.write("hello");
  });
  assert.equal(said, "hello");
  stream.close();
  session.close();
});
