// Failing pods behind a real Envoy with two workers. The filter ejects a pod from picks without a scrape. The pod stays ejected while
// it fails, and comes back gradually. No sidecar runs here, and the snapshot always says that all pods are ready.
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { test } from "node:test";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counter, nothingInFlight, pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, post } from "../../testkit/http.ts";
import { freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";

let echoes: Echo[] = [];
let envoy: TestEnvoy;

const start = (base: string) =>
  startGateway({
    pools: [{ name: "pool", models: ["m"], endpoints: echoes.map(({ address }) => address) }],
    filter: {
      snapshot: { staleAfter: "3600s" },
      pick: { ejection: { baseTime: base, maxTime: base }, slowStart: "0s" },
    },
  });

around(
  async () => {
    const ports = await freePorts(4);
    echoes = await Promise.all(["a", "b", "c", "d"].map((name, i) => startEcho(name, [], ports[i])));
    envoy = await start("700ms");
    await pushToAll(envoy, { m: { on: echoes } });
  },
  async () => {
    await envoy?.close();
    await Promise.all(echoes.map((echo) => echo.close()));
  },
);

const ask = (of = envoy) => post(of.url, chat("m"));

/** Sends 40 requests, four at a time, over both workers. Returns the pod that answered each. */
async function answers(of = envoy): Promise<string[]> {
  const pods: string[] = [];
  for (let i = 0; i < 10; i++) {
    const four = await Promise.all([ask(of), ask(of), ask(of), ask(of)]);
    for (const { status, headers } of four)
      pods.push(status === 200 ? String(headers["x-inference-pod"]) : String(status));
  }
  return pods;
}

const bad = (): Echo => echoes[1] as Echo;

/** Sends requests until a pod is ejected, because the pod's share of 40 is random. `check` gets every answer. */
async function untilEjected(check: (pods: string[]) => void, of = envoy): Promise<void> {
  const before = await counter(of, "ejected");
  await until("a pod to be ejected", async () => {
    check(await answers(of));
    return (await counter(of, "ejected")) > before;
  });
}

const unseen = (pods: string[]) => assert.ok(!pods.includes("b") && !pods.includes("503"), pods.join(" "));

test("a pod that answers 503 is ejected after three failures in a worker, and clients see none of them", async () => {
  const usual = bad().reply;
  bad().reply = (_, response) => void response.writeHead(503).end("{}");
  // The ejection lasts longer than this test on any machine.
  const patient = await start("600s");
  try {
    await pushToAll(patient, { m: { on: echoes } });
    const rise = await rises(patient, () => untilEjected(unseen, patient));
    // Each of two workers may see three failures before the first one publishes the ejection, plus its requests in flight.
    assert.ok((rise.pod_failed ?? 0) >= 3 && (rise.pod_failed ?? 0) <= 10, JSON.stringify(rise));
    assert.ok((rise.ejected ?? 0) >= 1, JSON.stringify(rise));
    // Another worker receives the ejection on its tick.
    await until("no retry while it is out", async () => {
      const quiet = await rises(patient, () => answers(patient));
      assert.equal(quiet.picked, 40);
      return (quiet.pod_failed ?? 0) === 0;
    });
    const quiet = await rises(patient, () => answers(patient));
    assert.deepEqual([quiet.picked, quiet.rerouted ?? 0, quiet.pod_failed ?? 0], [40, 0, 0]);
  } finally {
    bad().reply = usual;
    await patient.close();
  }
});

test("the pod comes back after its ejection time, once it answers", async () => {
  const usual = bad().reply;
  bad().reply = (_, response) => void response.writeHead(503).end("{}");
  await untilEjected(unseen);
  bad().reply = usual;
  await until("the pod to be picked again", async () => (await answers()).includes("b"));
});

test("a pod that refuses connections is ejected", async () => {
  const { address } = bad();
  const port = Number(address.split(":")[1]);
  await bad().close();
  await untilEjected((pods) => assert.deepEqual([...new Set(pods)].sort(), ["a", "c", "d"], pods.join(" ")));

  // The pod accepts a connection and resets it before the response. Envoy retries elsewhere, and the pod stays ejected or is ejected again.
  const server: Server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  try {
    await untilEjected((pods) => assert.ok(!pods.includes("b")));
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

test("a pod that breaks off its answers in the middle is ejected", async () => {
  // The ended pod would be ejected again on each try, so the snapshot no longer lists it.
  await pushToAll(envoy, { m: { on: echoes.filter((echo) => echo !== bad()) } });
  const pod = echoes[2] as Echo;
  const usual = pod.reply;
  pod.reply = (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: {}\n\n");
    setTimeout(() => response.destroy(), 20);
  };
  const before = await counter(envoy, "ejected");
  await until("the pod that breaks off to be ejected", async () => {
    await Promise.all(Array.from({ length: 8 }, () => ask().catch(() => undefined)));
    return (await counter(envoy, "ejected")) > before;
  });
  pod.reply = usual;
  await until("the pod to be picked again", async () => (await answers()).includes("c"));
});

test("clients that go away, and answers of 400 and 404, eject no pod", async () => {
  const here = echoes.filter((echo) => echo !== bad());
  const usual = here.map((echo) => echo.reply);
  for (const echo of here) echo.reply = (_, response) => void response.writeHead(404).end("{}");
  const rise = await rises(envoy, async () => {
    for (let i = 0; i < 10; i++) await Promise.all([ask(), ask(), ask(), ask()]);
    for (const echo of here) echo.reply = (_, response) => void response.writeHead(200).write("data: {}\n\n");
    for (let i = 0; i < 5; i++) {
      const controllers = Array.from({ length: 8 }, () => new AbortController());
      const asked = controllers.map(({ signal }) =>
        fetch(`${envoy.url}/v1/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(chat("m")),
          signal,
        }).then(
          (response) => response.text(),
          () => undefined,
        ),
      );
      setTimeout(() => {
        for (const controller of controllers) controller.abort();
      }, 50);
      await Promise.all(asked.map((each) => each.catch(() => undefined)));
    }
  });
  here.forEach((echo, i) => {
    echo.reply = usual[i] as Echo["reply"];
  });
  assert.equal(rise.ejected ?? 0, 0, JSON.stringify(rise));
});

test("at the end nothing is counted as in flight", () => nothingInFlight(envoy));
