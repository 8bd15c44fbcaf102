// Runs `npm start` as a newcomer does, and checks everything that it prints.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { endWithProcess } from "../../envoy/process.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { isAlive } from "../../testkit/command.ts";

/** Time in which the filter may have to be built and Envoy fetched. */
const READY_MS = 120_000;

interface Started {
  child: ChildProcess;
  /** The output so far. */
  text(): string;
  exit: Promise<number | string>;
}

const running = new Set<ChildProcess>();

function start(...args: string[]): Started {
  // A process group of its own, as a shell makes it: all of its processes get a terminal's signals.
  const child = spawn("npm", ["start", "--", ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  running.add(child);
  const forget = endWithProcess(() => signal({ child }, "SIGTERM"));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const exit = new Promise<number | string>((done) => {
    child.once("close", (status, signal) => {
      running.delete(child);
      forget();
      done(status ?? signal ?? "neither");
    });
  });
  return { child, text: () => text, exit };
}

function signal({ child }: Pick<Started, "child">, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // The whole group has ended.
  }
}

async function until(what: string, started: Started, holds: () => boolean): Promise<void> {
  const end = Date.now() + READY_MS;
  while (!holds()) {
    if (started.child.exitCode !== null) assert.fail(`ended with ${started.child.exitCode}:\n${started.text()}`);
    if (Date.now() > end) assert.fail(`not ${what} in time:\n${started.text()}`);
    await sleep(50);
  }
}

const ready = (started: Started) => until("ready", started, () => started.text().includes("Ready in"));
const urlOf = (started: Started) => /Envoy \S+ +(http:\S+)/.exec(started.text())?.[1] ?? "";
const pidsOf = (started: Started) => [...started.text().matchAll(/ pid (\d+)/g)].map((match) => Number(match[1]));

/** Sends the request of a printed curl line. */
async function ask(started: Started, model: string) {
  const line = started
    .text()
    .split("\n")
    .find((one) => one.includes("curl -si") && one.includes(`"model":"${model}"`));
  assert.ok(line, `no curl line for ${model}`);
  const [, url = "", header = "", body = ""] = /(http:\S+) -H '(.*?)' -d '(.*)'/.exec(line) ?? [];
  const [name = "", value = ""] = header.split(": ");
  const response = await fetch(url, { method: "POST", headers: { [name]: value }, body });
  return {
    status: response.status,
    pod: response.headers.get("x-inference-pod"),
    json: (await response.json()) as { [key: string]: unknown },
  };
}

after(async () => {
  for (const child of running) signal({ child }, "SIGTERM");
  while (running.size > 0) await sleep(20);
});

describe("npm start", { timeout: 2 * READY_MS }, () => {
  test("the right pods answer the printed curl lines, the screen shows them, and Ctrl-C leaves no process behind", async () => {
    const started = start("--port", "0");
    await ready(started);
    await until("shown", started, () => /pod-3 ready, 0 waiting, 0 running.* 0 picks/.test(started.text()));

    const llama = await ask(started, "llama-3.1-8b");
    assert.equal(llama.status, 200);
    assert.match(llama.pod ?? "", /^pod-[12]$/);
    const choices = llama.json.choices as { message: { content: string } }[];
    assert.equal(choices[0]?.message.content, "the quick pod reads one prompt");
    // The README's first command and its exact output.
    const [, command = "", output = ""] =
      /\$ (curl [\s\S]*?grep .*)\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) ?? [];
    const typed = command.replace("http://127.0.0.1:10000", urlOf(started));
    assert.equal(execFileSync("bash", ["-c", typed], { encoding: "utf8" }), output);
    const qwen = await ask(started, "qwen-2.5-3b");
    assert.deepEqual([qwen.status, qwen.pod, qwen.json.model], [200, "pod-3", "qwen-2.5-3b"]);
    const unknown = await ask(started, "nobody");
    assert.deepEqual([unknown.status, unknown.pod], [404, null]);
    const error = unknown.json.error as { code: string; type: string };
    assert.deepEqual([error.code, error.type], ["model_not_found", "invalid_request_error"]);
    await until("counted", started, () => /pod-3 ready.* 1 picks/.test(started.text()));

    const pids = pidsOf(started);
    assert.deepEqual(pids.map(isAlive), [true, true, true, true, true], "Envoy, the sidecar and three pods");
    const pod = Number(/pod-3 .* pid (\d+)/.exec(started.text())?.[1]);
    process.kill(pod, "SIGKILL");
    await until("lost", started, () => started.text().includes("pod-3 ended (signal SIGKILL)"));
    await until("down", started, () => started.text().includes("pod-3 down"));

    signal(started, "SIGINT");
    assert.equal(await started.exit, 0);
    assert.deepEqual(pids.filter(isAlive), []);
  });

  test("uses real pods, asks them for their models, and ends when Envoy ends, with Envoy's last lines", async () => {
    const pods: Pod[] = [];
    try {
      pods.push(await startPod({ name: "real-1", models: [{ id: "mistral", adapters: ["sql"] }] }));
      pods.push(await startPod({ name: "real-2", models: [{ id: "phi" }] }));
      const started = start("--port", "0", "--no-table", "--pods", pods.map(({ url }) => url).join(","));
      await ready(started);
      assert.deepEqual([(await ask(started, "mistral")).pod, (await ask(started, "phi")).pod], ["real-1", "real-2"]);
      const body = JSON.stringify({ model: "sql", messages: [] });
      const headers = { "content-type": "application/json" };
      const adapter = await fetch(`${urlOf(started)}/v1/chat/completions`, { method: "POST", headers, body });
      assert.deepEqual([adapter.status, adapter.headers.get("x-inference-pod")], [200, "real-1"]);

      const [envoy = 0, sidecar = 0, ...others] = pidsOf(started);
      assert.deepEqual(others, [], "no simulated pod");
      process.kill(envoy, "SIGKILL");
      assert.equal(await started.exit, 1);
      assert.match(started.text(), /make run: Envoy ended \(.+\)\n {2}Its whole log: .*envoy\.log/);
      assert.equal(isAlive(sidecar), false);
    } finally {
      for (const pod of pods) await pod.close();
    }
  });

  test("a taken port is reported with its option before anything starts", async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    try {
      const { port } = server.address() as { port: number };
      const started = start("--port", String(port));
      assert.equal(await started.exit, 1);
      assert.match(started.text(), new RegExp(`port ${port} of 127.0.0.1 is taken \\(--port\\)`));
      assert.doesNotMatch(started.text(), /starting/);
    } finally {
      server.close();
    }
  });

  test("an interrupt during the start leaves no process behind", async () => {
    const started = start("--port", "0");
    await until("starting", started, () => started.text().includes("starting three"));
    signal(started, "SIGINT");
    assert.equal(await started.exit, 0);
    assert.doesNotMatch(started.text(), /Ready in|make run:/);
  });
});
