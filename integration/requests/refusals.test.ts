// Checks docs/reference/refusals.md: Envoy accepts its configuration, its commands have the stated answers, and it lists every refusal.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import type { JsonObject } from "../../envoy/json.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { counters, pushToAll, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";

const FILE = new URL("../../docs/reference/refusals.md", import.meta.url);
const text = readFileSync(FILE, "utf8");
const block = (language: string) => new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "m").exec(text)?.[1] ?? "";

let echo: Echo;
let plain: TestEnvoy;
let decompressing: TestEnvoy;

around(
  async () => {
    echo = await startEcho("echo");
    const pools = [{ name: "pool", models: ["m"], endpoints: [echo.address] }];
    const filter = JSON.parse(block("json")) as JsonObject;
    const filters = (parse(block("yaml")) as { http_filters: JsonObject[] }).http_filters;
    plain = await startGateway({ pools, filter });
    decompressing = await startGateway({ pools, filter, filtersBefore: filters });
    for (const envoy of [plain, decompressing]) await pushToAll(envoy, { m: { on: [echo] } });
  },
  async () => {
    await plain?.close();
    await decompressing?.close();
    await echo?.close();
  },
);

interface Command {
  line: string;
  answer: string;
}

/** A `$ command` and its output, up to the next command. */
function commands(): Command[] {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap((match) =>
    (match[1] ?? "")
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [, line, answer] = /^((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(part) ?? [];
        return { line: line ?? "", answer: answer ?? "" };
      }),
  );
}

/** Asynchronous, because the pod answers in this process. */
async function run(line: string): Promise<string> {
  const here = line
    .replaceAll("localhost:10000", `127.0.0.1:${plain.port}`)
    .replaceAll("localhost:10001", `127.0.0.1:${decompressing.port}`);
  return (await promisify(execFile)("bash", ["-c", here], { timeout: 30_000 })).stdout;
}

test("every command has the answer on the page", async () => {
  let page = text;
  const wrong: string[] = [];
  for (const { line, answer } of commands()) {
    const given = await run(line);
    if (given === answer) continue;
    wrong.push(`$ ${line}\n${given}`);
    page = page.replace(`$ ${line}\n${answer}`, () => `$ ${line}\n${given}`);
  }
  // PILOTFISH_WRITE=1 writes the answers into the page; read them before you commit.
  if (process.env.PILOTFISH_WRITE) writeFileSync(FILE, page);
  assert.deepEqual(wrong, []);
});

test("every refusal of a request's body or model is on the page, in OpenAI's shape", () => {
  const source = readFileSync(new URL("../../assembly/filter/request/refuse.ts", import.meta.url), "utf8");
  const codes = new Set(
    [...source.matchAll(/sendError\(writer, (\d+), "\w*", "(\w+)"/g)].map((m) => `${m[1]} ${m[2]}`),
  );
  const shown = new Set<string>();
  for (const { answer } of commands()) {
    const [, body, status] = /^(\{.*\}) (\d{3})\n$/.exec(answer) ?? [];
    if (body === undefined) continue;
    const { error } = JSON.parse(body) as { error: { message: string; type: string; param: unknown; code: string } };
    assert.deepEqual(Object.keys(error).sort(), ["code", "message", "param", "type"]);
    assert.match(error.message, /\.$/);
    shown.add(`${status} ${error.code}`);
  }
  assert.deepEqual([...shown].sort(), [...codes].sort());
});

test("each refusal is counted", async () => {
  const counts = await counters(plain);
  for (const name of [
    "invalid_body",
    "invalid_model",
    "invalid_field",
    "model_required",
    "model_rejected",
    "too_large",
    "unsupported_type",
  ])
    assert.ok((counts.get(name) ?? 0) > 0, name);
});
