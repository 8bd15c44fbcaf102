// `pilotfish plan` asks the filter where a request would go, and shows the numbers that decided.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../sidecar/config/load.ts";
import { plan, planCommand } from "../../sidecar/plan/command.ts";
import { startSidecar } from "../../sidecar/sidecar.ts";
import { release } from "../../testkit/filter/release.ts";

assert.ok(release);
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../protocol/fixtures/${name}.snapshot.bin`, import.meta.url));
const run = (...args: string[]) => plan(planCommand().parse(args, { from: "user" }).opts());
const folder = mkdtempSync(join(tmpdir(), "pilotfish-plan-"));
const closing: Array<() => Promise<void>> = [];
after(async () => {
  rmSync(folder, { recursive: true });
  for (const close of closing) await close();
});

test("a request goes to the place with room, and the lines show the policy and each place's numbers", async () => {
  const { text, code } = await run("--snapshot", fixture("places"), "--model", "llama");
  assert.equal(code, 0, text);
  assert.match(text, /^model llama: 10\.0\.0\.[12]:8000 \(picked\)/);
  assert.match(text, /of 200 such requests: eu-west 200/);
  assert.match(text, /policy "default\/llama": a place is filled to 62\.5 % of its KV cache/);
  assert.match(
    text,
    /→ eu-west: order 0, 0\.25 ms away; 3 pods ready, 8 requests, KV cache 16\.7 %: 26\.7 % of its target/,
  );
  assert.match(text, / {2}asia: order 1; 40 pods ready, 912 requests/);
});

test("retries go to another place, and a pod that is not ready is not picked", async () => {
  const { endpoints } = JSON.parse((await run("-s", fixture("places"), "-m", "llama", "--json")).text);
  assert.equal(endpoints.length, 3);
  assert.ok(!endpoints[2].startsWith("10.0."), endpoints.join());
  const { text, code } = await run("-s", fixture("small"), "-m", "qwen");
  assert.equal(code, 1);
  assert.match(text, /^model qwen: Envoy's own choice \(no_endpoint\)/);
  assert.match(text, /10\.0\.0\.3:8001: .*not ready/);
});

test("an unknown model and a refused body are described in the filter's own words", async () => {
  assert.match(
    (await run("-s", fixture("small"), "-m", "nobody")).text,
    /unknown_model.*\n.*200\nthe snapshot has 2 models/,
  );
  const body = join(folder, "body.json");
  writeFileSync(body, '{"model":');
  const { text, code } = await run("-s", fixture("small"), "-b", body);
  assert.equal(code, 1);
  assert.match(text, /answered by the filter: 400 .*invalid_json/);
});

test("the filter's configuration counts: a rule renames, a wrong key is refused", async () => {
  const filter = join(folder, "filter.json");
  writeFileSync(filter, JSON.stringify({ models: { rules: [{ name: "gpt-4*", model: "meta/llama" }] } }));
  const { text } = await run("-s", fixture("small"), "-m", "gpt-4o", "-f", filter);
  assert.match(text, /^model meta\/llama: 10\.0\.0\.[12]:8000/);
  writeFileSync(filter, JSON.stringify({ modles: {} }));
  const wrong = await run("-s", fixture("small"), "-m", "m", "-f", filter);
  assert.equal(wrong.code, 2);
  assert.match(wrong.text, /modles: this key is not known/);
});

test("an invalid snapshot and a missing snapshot have exit code 2", async () => {
  const file = join(folder, "none.bin");
  writeFileSync(file, "nothing");
  assert.match((await run("-s", file, "-m", "m")).text, /body length: got 7/);
  assert.equal((await run("-m", "m")).code, 2);
  assert.equal((await run("-s", fixture("small"))).code, 2);
});

test("a running sidecar sends its snapshot to a request with the secret, and refuses other requests", async () => {
  const secret = "plan-test-secret-0123";
  const config = {
    endpoints: ["http://127.0.0.1:9"],
    models: { discover: false, static: { m: null } },
    push: { targets: ["http://127.0.0.1:9"], secret },
    listen: "127.0.0.1:0",
    log: { level: "silent" },
  };
  const sidecar = await startSidecar(parseConfig(config, {}));
  closing.push(() => sidecar.close());
  process.env.PILOTFISH_SECRET = secret;
  const { text, code } = await run("--sidecar", sidecar.url, "-m", "m");
  assert.equal(code, 1, text);
  assert.match(text, /^model m: Envoy's own choice \(no_endpoint\)/);
  process.env.PILOTFISH_SECRET = `${secret}-not`;
  const refused = await run("--sidecar", sidecar.url, "-m", "m");
  assert.equal(refused.code, 2);
  assert.match(refused.text, /status 401/);
  delete process.env.PILOTFISH_SECRET;
});
