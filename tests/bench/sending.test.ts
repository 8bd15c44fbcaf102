// The client of `make bench-routing` when an Envoy dies, and the restarts of an Envoy.
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { restartEvery } from "../../bench/routing/restarts.ts";
import { Sending } from "../../bench/routing/sending.ts";
import { until } from "../../testkit/until.ts";

type Reply = (request: http.IncomingMessage, response: http.ServerResponse) => void;

const TOKEN = "data: {}\n\n";
const ANSWER: Reply = (_, response) => {
  response.writeHead(200, { "x-inference-pod": "pod-2" });
  response.write(TOKEN);
  response.end("data: [DONE]\n\n");
};
const RESET: Reply = ({ socket }) => void socket.destroy();
const HEADERS_ONLY: Reply = ({ socket }, response) => {
  response.writeHead(200, { "x-inference-pod": "pod-1" });
  response.flushHeaders();
  setImmediate(() => socket.destroy());
};
const BREAKS_OFF: Reply = ({ socket }, response) => {
  response.writeHead(200, { "x-inference-pod": "pod-1" });
  response.write(TOKEN, () => socket.destroy());
};
const SILENT: Reply = () => {};

/** Runs `work` with the port of a server that gives the replies in turn, the last one again and again. */
async function serving(replies: readonly Reply[], work: (port: number) => Promise<void>): Promise<void> {
  let asked = 0;
  const server = http.createServer((request, response) => {
    request.resume();
    (replies[Math.min(asked++, replies.length - 1)] as Reply)(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await work((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

/** `port`: where requests are sent again; undefined: none is. */
const sendingTo = (port?: number) =>
  new Sending({
    agent: new http.Agent(),
    resend: port === undefined ? undefined : { port: () => port, pauseMs: 1, mostMs: 2 },
  });
/** Due long before it is sent, so that a wait shows from when it counts. */
const DUE = -100_000;
const request = (port: number) => ({ at: DUE, port, headers: {}, body: Buffer.from("{}") });

test("a request whose connection breaks before its first token is sent again to another Envoy", async () => {
  for (const reply of [RESET, HEADERS_ONLY])
    await serving([reply], (first) =>
      serving([reply, ANSWER], async (second) => {
        const sent = await sendingTo(second).send(request(first));
        assert.deepEqual(
          { ...sent, wait: 0, late: 0 },
          { at: DUE, late: 0, wait: 0, cut: false, status: 200, pod: 2, again: 2, broken: false },
        );
        assert.ok(sent.wait >= -DUE, `the wait counts from when the request was due: ${sent.wait} ms`);
      }),
    );
});

test("without restarts no request is sent again", async () => {
  await serving([RESET, ANSWER], async (port) => {
    const { cut, again, status } = await sendingTo().send(request(port));
    assert.deepEqual([cut, again, status], [true, 0, 0]);
  });
});

test("a response that breaks off after its first token is not sent again, and counts as broken off", async () => {
  await serving([BREAKS_OFF, ANSWER], async (port) => {
    const { cut, again, broken, pod } = await sendingTo(port).send(request(port));
    assert.deepEqual([cut, again, broken, pod], [false, 0, true, 1]);
  });
});

test("the end of a run cuts off what has no token, also a request that waits to be sent again", async () => {
  await serving([SILENT], (silent) =>
    serving([RESET], async (resetting) => {
      const sending = sendingTo(resetting);
      const both = [sending.send(request(silent)), sending.send(request(resetting))];
      await new Promise((done) => setTimeout(done, 50));
      sending.end();
      for (const { cut, broken, wait } of await Promise.all(both)) {
        assert.deepEqual([cut, broken], [true, false]);
        assert.ok(wait >= -DUE, `${wait} ms`);
      }
    }),
  );
});

test("an Envoy is counted, killed and started again and again until the restarts are stopped", async () => {
  const calls: string[] = [];
  const envoy = {
    kill: async () => void calls.push("kill"),
    start: async () => void calls.push("start"),
  };
  const restarts = restartEvery(envoy, 5, async () => {
    calls.push("count");
    return 7;
  });
  await until("two restarts", () => calls.length >= 6);
  const { awayMs, counted } = await restarts.stop();
  assert.deepEqual(
    calls,
    awayMs.flatMap(() => ["count", "kill", "start"]),
  );
  assert.equal(counted, 7 * awayMs.length);
});

test("an Envoy that does not start again fails the run", async () => {
  const fails = { kill: async () => {}, start: () => Promise.reject(new Error("no port")) };
  const restarts = restartEvery(fails, 1, async () => 0);
  await new Promise((done) => setTimeout(done, 20));
  await assert.rejects(restarts.stop(), /no port/);
});
