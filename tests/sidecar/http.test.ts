// HTTP requests of the sidecar: limits, deadlines, and reasons of failures.
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { Pool } from "undici";
import { exchange, HttpFailure, toFailure } from "../../sidecar/http.ts";
import { listen } from "../../testkit/sidecar/listen.ts";

async function get(t: TestContext, url: string, limits: { timeoutMs?: number; maxBytes?: number } = {}) {
  const pool = new Pool(url, { connections: 1 });
  t.after(() => pool.destroy());
  return exchange(pool, { method: "GET", path: "/", timeoutMs: 10_000, maxBytes: 1000, ...limits });
}

async function serve(t: TestContext, handler: RequestListener): Promise<string> {
  const server = await listen(createServer(handler));
  t.after(() => server.close());
  return server.url;
}

const fails = (exchanged: Promise<unknown>, reason: string) =>
  assert.rejects(exchanged, (error) => error instanceof HttpFailure && error.reason === reason);

test("a body up to the limit is read whole, with any status", async (t) => {
  const url = await serve(t, (_request, response) => {
    response.statusCode = 418;
    for (let i = 0; i < 10; i++) response.write("x".repeat(100));
    response.end();
  });
  const { status, body } = await get(t, url);
  assert.deepEqual([status, body.length], [418, 1000]);
});

test("a body over the limit fails at the limit, with or without a content-length", async (t) => {
  const announced = await serve(
    t,
    (_request, response) => void response.writeHead(200, { "content-length": "1001" }).flushHeaders(),
  );
  await fails(get(t, announced), "too_large");
  const endless = await serve(t, (_request, response) => {
    const timer = setInterval(() => response.write("x".repeat(600)), 5);
    response.on("close", () => clearInterval(timer));
  });
  await fails(get(t, endless), "too_large");
});

test("the deadline ends with the last byte of the body", async (t) => {
  const silent = await serve(t, () => {});
  await fails(get(t, silent, { timeoutMs: 30 }), "timeout");
  const dripping = await serve(t, (_request, response) => {
    const timer = setInterval(() => response.write("x"), 5);
    response.on("close", () => clearInterval(timer));
  });
  await fails(get(t, dripping, { timeoutMs: 60 }), "timeout");
});

test("refused, reset, cut short and not HTTP are different failures", async (t) => {
  await fails(get(t, "http://127.0.0.1:1"), "refused");
  await fails(get(t, await serve(t, (request) => void request.socket.destroy())), "reset");
  const short = await serve(t, (request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("x", () => request.socket.destroy());
  });
  await fails(get(t, short), "reset");
  const tcp = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.end("SSH-2.0-hello\r\n");
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  t.after(() => void tcp.close());
  await fails(get(t, `http://127.0.0.1:${(tcp.address() as { port: number }).port}`), "invalid");
});

test("every error code of Node and undici becomes one of the reasons in metrics", () => {
  const reason = (code: string | undefined) => toFailure(Object.assign(new Error("m"), code && { code })).reason;
  const expected = {
    ECONNREFUSED: "refused",
    EHOSTUNREACH: "unreachable",
    UND_ERR_CONNECT_TIMEOUT: "timeout",
    ECONNRESET: "reset",
  };
  for (const [code, name] of Object.entries(expected)) assert.equal(reason(code), name);
  assert.equal(reason(undefined), "reset");
});
