// Runs what ships in envoy/local: the commands in the head of each configuration, unchanged except for free ports.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { EXAMPLES } from "../../envoy/local/examples.ts";
import { exampleText } from "../../envoy/local/generate.ts";
import { around } from "../../testkit/around.ts";
import { ROOT, type Running, STARTED_MS, start } from "../../testkit/command.ts";
import { chooseRuntime } from "../../testkit/envoy/runtime.ts";
import { freePorts } from "../../testkit/ports.ts";
import { until } from "../../testkit/until.ts";

const FOLDER = join(ROOT, "build/examples");

/** The commands in the head of a file, which a reader copies. */
function commandsOf(text: string, first: RegExp): string[] {
  const lines = text.split("\n").filter((line) => /^# {3}/.test(line));
  return lines.map((line) => line.slice(4)).filter((line) => first.test(line));
}

/** Fixed ports of the examples → free ports. */
async function withPorts(fixed: readonly number[]): Promise<(text: string) => string> {
  const free = await freePorts(fixed.length);
  const pattern = new RegExp(`\\b(${fixed.join("|")})\\b`, "g");
  return (text) => text.replace(pattern, (port) => String(free[fixed.indexOf(Number(port))]));
}

describe("the configurations in envoy/local", () => {
  const running: Running[] = [];
  const shown = EXAMPLES.filter(({ file }) => !file.includes("/"));
  let placed: (text: string) => string;

  around(
    async () => {
      await mkdir(FOLDER, { recursive: true });
      placed = await withPorts([10000, 9901, 8001, 8002, 8003, 9400]);
      const commands = commandsOf(exampleText(shown[0] as (typeof shown)[0]), /^npx /);
      assert.equal(commands.length, 4);
      for (const command of commands) {
        const foreground = placed(command).replace(/ &$/, "").replace(/^npx /, "");
        // The sidecar's command does not contain the sidecar's own port.
        running.push(start(foreground.includes("sidecar/") ? `${foreground} --listen 127.0.0.1:0` : foreground));
      }
    },
    async () => {
      for (const one of running.splice(0)) await one.stop();
      await rm(FOLDER, { recursive: true, force: true });
    },
  );

  test("all use the same pods and the same sidecar", () => {
    const [first, ...others] = shown.map((example) => commandsOf(exampleText(example), /^(npx|export) /));
    for (const other of others) assert.deepEqual(other, first);
  });

  for (const example of shown)
    test(`${example.file} runs as its head says, and answers as it says`, async () => {
      const text = exampleText(example);
      const path = `build/examples/${example.file}`;
      await writeFile(join(ROOT, path), placed(text));
      const found = await chooseRuntime();
      const inDocker = found.kind === "docker";
      const line = inDocker
        ? commandsOf(text, /^docker run /)[0]
        : /^# or, with an Envoy of your own: (.*)$/m.exec(text)?.[1];
      assert.ok(line, "a command");
      let command = line.replace(`envoy/local/${example.file}`, path);
      command = inDocker
        ? command.replace(/envoyproxy\/envoy:\S+/, found.image)
        : command.replace(/^envoy /, `${found.path} `);
      // Another Envoy may run on this machine, so this Envoy takes no part in hot restarts.
      const envoy = start(`${command} --disable-hot-restart`);
      try {
        const admin = `http://127.0.0.1:${placed("9901")}`;
        const picked = async () => {
          const stats = await fetch(`${admin}/stats?filter=pilotfish.picked`).then(
            (it) => it.text(),
            () => "",
          );
          return Number(/picked: (\d+)/.exec(stats)?.[1] ?? 0);
        };
        const curls = commandsOf(text, /^curl /);
        const expected = EXPECTED[example.file] ?? [];
        assert.equal(curls.length, expected.length);
        for (const [i, { pod, model }] of expected.entries()) {
          const answer = await until(
            `a picked answer to ${curls[i]}; Envoy said: ${envoy.text().slice(-2000)}`,
            async () => {
              const before = await picked();
              const { stdout, status } = spawnSync("bash", ["-c", placed(curls[i] as string)], { encoding: "utf8" });
              return status === 0 && (await picked()) > before && stdout;
            },
            STARTED_MS,
          );
          assert.match(answer, /^HTTP\/1\.1 200 OK/);
          assert.match(answer, pod);
          assert.ok(answer.includes(`"model":"${model}"`), answer);
        }
      } finally {
        await envoy.stop();
      }
    });
});

const LLAMA_POD = /^x-inference-pod: pod-[12]/m;
const QWEN_POD = /^x-inference-pod: pod-3/m;
/** The outcome that a head states for each curl line. */
const EXPECTED: Record<string, { pod: RegExp; model: string }[]> = {
  "envoy.yaml": [{ pod: LLAMA_POD, model: "llama-3.1-8b" }],
  "roles.yaml": [{ pod: QWEN_POD, model: "qwen-2.5-3b" }],
  "names.yaml": [
    { pod: LLAMA_POD, model: "gpt-4o" },
    { pod: QWEN_POD, model: "qwen-2.5-3b" },
  ],
};
