// A persistent connection to a pod is reused, is closed after any doubt, and never mixes two responses.
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Access } from "../../../sidecar/credentials/access.ts";
import { Connection } from "../../../sidecar/scrape/connection.ts";
import { until } from "../../../testkit/until.ts";

type Answer = (socket: Socket, request: string, count: number) => void;

interface Raw {
  url: string;
  connections: number;
  requests: string[];
}

/** Makes a response. `count`: number of the request on its connection, from 1. */
async function startRaw(t: TestContext, answer: Answer): Promise<Raw> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    raw.connections++;
    sockets.add(socket);
    let count = 0;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      raw.requests.push(chunk.toString());
      answer(socket, chunk.toString(), ++count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  const raw: Raw = { url: `http://127.0.0.1:${port}`, connections: 0, requests: [] };
  return raw;
}

function connect(t: TestContext, url: string): Connection {
  const connection = new Connection(url, new Access({ tls: { verify: true }, gzip: false }));
  t.after(() => connection.close());
  return connection;
}

const ok = (body: string, more = ""): string =>
  `HTTP/1.1 200 OK\r\n${more}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const get = (connection: Connection, timeoutMs = 30_000): Promise<string> =>
  connection.get("/metrics", 1 << 20, timeoutMs, (body) => body.toString());

test("a request has only method, path and host", async (t) => {
  const pod = await startRaw(t, (socket) => socket.write(ok("hi")));
  assert.equal(await get(connect(t, pod.url)), "hi");
  assert.deepEqual(pod.requests, [`GET /metrics HTTP/1.1\r\nhost: ${pod.url.slice(7)}\r\n\r\n`]);
});

test("one connection serves the requests one after the other, in their order", async (t) => {
  const pod = await startRaw(t, (socket, _, count) => setTimeout(() => socket.write(ok(`answer ${count}`)), 5));
  const connection = connect(t, pod.url);
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => get(connection))), ["answer 1", "answer 2", "answer 3"]);
  assert.equal(pod.connections, 1);
});

test("a request on a connection that the server had closed is sent again on a new connection", async (t) => {
  for (const close of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const pod = await startRaw(t, (socket, _, count) => (count === 1 ? socket.write(ok("hi")) : close(socket)));
    const connection = connect(t, pod.url);
    for (let i = 0; i < 4; i++) assert.equal(await get(connection), "hi");
    assert.equal(pod.connections, 4);
  }
});

test("a connection that ends on its first request, or within a response, is a failure", async (t) => {
  const first = await startRaw(t, (socket) => socket.end());
  await assert.rejects(get(connect(t, first.url)), { reason: "reset" });
  assert.equal(first.connections, 1);
  const half = await startRaw(t, (socket, _, count) =>
    count === 1 ? socket.write(ok("hi")) : socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
  );
  const connection = connect(t, half.url);
  assert.equal(await get(connection), "hi");
  await assert.rejects(get(connection), { reason: "reset" });
  assert.equal(half.connections, 1);
});

test("a response after the timeout does not count as the response to the next request", async (t) => {
  let late: Socket | undefined;
  const pod = await startRaw(t, (socket) => {
    if (late !== undefined) return socket.write(ok("in time"));
    late = socket;
  });
  const connection = connect(t, pod.url);
  await assert.rejects(get(connection, 2000), { reason: "timeout" });
  const next = get(connection);
  late?.write(ok("late"));
  assert.equal(await next, "in time");
  assert.equal(pod.connections, 2);
});

test("bytes without an open request close the connection", async (t) => {
  const pod = await startRaw(t, (socket, _, count) => socket.write(ok(`${count}`) + (count === 1 ? ok("forged") : "")));
  const connection = connect(t, pod.url);
  assert.deepEqual([await get(connection), await get(connection)], ["1", "1"]);
  assert.equal(pod.connections, 2);
  let answering: Socket | undefined;
  const idle = await startRaw(t, (socket) => {
    answering = socket;
    socket.write(ok("hi"));
  });
  const other = connect(t, idle.url);
  assert.equal(await get(other), "hi");
  const first = answering as unknown as Socket;
  first.write(ok("forged"));
  await until("the connection to be given up", () => first.destroyed || first.readableEnded);
  assert.equal(await get(other), "hi");
  assert.equal(idle.connections, 2);
});

test("after `connection: close` the connection is not reused; a body may end with the connection", async (t) => {
  const pod = await startRaw(t, (socket) => socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it"));
  const connection = connect(t, pod.url);
  assert.deepEqual([await get(connection), await get(connection)], ["all of it", "all of it"]);
  assert.equal(pod.connections, 2);
});

test("a refused connection is reported as refused, and the next request connects again", async (t) => {
  const gone = await startRaw(t, (socket) => socket.write(ok("hi")));
  const nobody = connect(t, "http://127.0.0.1:1");
  await assert.rejects(get(nobody), { reason: "refused" });
  await assert.rejects(get(nobody), { reason: "refused" });
  assert.equal(await get(connect(t, gone.url)), "hi");
});

test("an error thrown while reading a body fails the request, and the connection is reused", async (t) => {
  const pod = await startRaw(t, (socket) => socket.write(ok("hi")));
  const connection = connect(t, pod.url);
  const broken = connection.get("/", 100, 30_000, () => {
    throw new Error("cannot be read");
  });
  await assert.rejects(broken, /cannot be read/);
  assert.equal(await get(connection), "hi");
  assert.equal(pod.connections, 1);
});

test("after close no request is sent, and an open request fails", async (t) => {
  const pod = await startRaw(t, () => {});
  const connection = connect(t, pod.url);
  const pending = get(connection);
  const rejected = assert.rejects(pending, { reason: "reset" });
  await until("the request", () => pod.requests.length === 1);
  connection.close();
  await rejected;
  await assert.rejects(get(connection), { reason: "reset" });
});

test("responses of many pods that arrive in pieces at the same time do not mix, though they share a buffer", async (t) => {
  const pods = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      startRaw(t, (socket, _request, count) => {
        const body = `${String(i).padStart(2, "0")}:${count};`.repeat(4000);
        const all = Buffer.from(
          `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        );
        let at = 0;
        const step = () => {
          socket.write(all.subarray(at, at + 3001));
          at += 3001;
          if (at < all.length) setImmediate(step);
        };
        step();
      }),
    ),
  );
  const connections = pods.map((pod) => connect(t, pod.url));
  for (let round = 1; round <= 5; round++) {
    const bodies = await Promise.all(connections.map((connection) => get(connection, 10_000)));
    for (const [i, body] of bodies.entries()) {
      assert.equal(body, `${String(i).padStart(2, "0")}:${round};`.repeat(4000));
    }
  }
});
