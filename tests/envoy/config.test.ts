import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse } from "yaml";
import { type EnvoyConfigOptions, envoyConfig, envoyYaml, parseEndpoint } from "../../envoy/config.ts";
import { luaFilter } from "../../envoy/filters.ts";
import { EXAMPLES } from "../../envoy/local/examples.ts";
import { exampleText, exampleUrl } from "../../envoy/local/generate.ts";
import { runEnvoy } from "../../envoy/process.ts";
import { chooseRuntime } from "../../testkit/envoy/runtime.ts";
import { passingFilter } from "./wasm.ts";

const folder = await mkdtemp(join(tmpdir(), "pilotfish-config-"));
after(() => rm(folder, { recursive: true, force: true }));

const base: EnvoyConfigOptions = {
  port: 0,
  adminPort: 0,
  pools: [
    { name: "a", models: ["m", "m-adapter"], endpoints: ["127.0.0.1:8001", "[::1]:8002"] },
    { name: "b", models: ["n"], endpoints: ["127.0.0.1:8003"] },
  ],
};

const wasmFile = await passingFilter(folder);

async function validate(config: object): Promise<{ how: string; log: string }> {
  const configFile = join(folder, `${Math.random().toString(36).slice(2)}.json`);
  await writeFile(configFile, JSON.stringify(config));
  const envoy = runEnvoy(await chooseRuntime(), {
    configFile,
    reads: [wasmFile],
    extraArguments: ["--mode", "validate"],
  });
  return { how: await envoy.exited, log: envoy.logs().join("\n") };
}

const everything: EnvoyConfigOptions = {
  ...base,
  address: "127.0.0.1",
  plainPort: 0,
  defaultPool: "b",
  bufferLimitBytes: 1 << 20,
  retries: 5,
  filtersBefore: [luaFilter("function envoy_on_request(handle) end")],
  filtersAfter: [luaFilter("function envoy_on_response(handle) end")],
  accessLog: {
    path: join(folder, "access.log"),
    format: { model: "%FILTER_STATE(wasm.model:PLAIN)%", pod: "%UPSTREAM_HOST%" },
  },
};

describe("a real Envoy accepts", () => {
  const cases: [string, EnvoyConfigOptions][] = [
    ["the least configuration", base],
    ["every option at once", everything],
    ["a text access log to standard output", { ...base, accessLog: { path: "stdout", format: "%RESPONSE_CODE%" } }],
    ["clusters without override_host, sockets with SO_REUSEPORT", { ...base, overrideHost: false, reusePort: true }],
    ["an HTTP/2 window for the largest buffer", { ...base, bufferLimitBytes: 0xffffffff }],
  ];
  for (const [name, options] of cases) {
    test(name, async () => {
      const { how, log } = await validate(envoyConfig(options));
      assert.equal(how, "status 0", log);
    });
  }

  test("the Wasm filter with all its options, on two listeners", async () => {
    const wasm = {
      file: wasmFile,
      configuration: { a: 1 },
      secret: "s",
      environment: { A: "b" },
      hostEnvironment: ["HOME"],
    };
    const { how, log } = await validate(envoyConfig({ ...everything, snapshotPort: 0, wasm }));
    assert.equal(how, "status 0", log);
  });
});

test("a real Envoy refuses an unknown field, so that the checks above mean something", async () => {
  const config = envoyConfig({ ...base, edit: (bootstrap) => Object.assign(bootstrap, { no_such_thing: true }) });
  const { how, log } = await validate(config);
  assert.equal(how, "status 1");
  assert.match(log, /no_such_thing/);
});

describe("the configuration", () => {
  test("routes each model to its own pool and everything else to a 404", () => {
    const text = JSON.stringify(envoyConfig(base));
    for (const model of ["m", "m-adapter", "n"]) assert.ok(text.includes(`{"exact":"${model}"}`));
    assert.equal(text.split("direct_response").length - 1, 1);
  });

  test("gives the VM the secret, and no environment without a secret", () => {
    const withSecret = envoyYaml({ ...base, wasm: { file: "f.wasm", secret: "open sesame" } });
    assert.match(withSecret, /PILOTFISH_SECRET: open sesame/);
    assert.doesNotMatch(envoyYaml({ ...base, wasm: { file: "f.wasm" } }), /environment_variables/);
  });

  test("is the same as YAML and as an object", () => {
    assert.deepEqual(parse(envoyYaml(everything)), JSON.parse(JSON.stringify(envoyConfig(everything))));
  });

  test("gives the snapshot listener the same filter and no pool", () => {
    const config = envoyConfig({ ...base, snapshotPort: 0, wasm: { file: "f.wasm", secret: "s" } });
    const [llm, snapshots] = JSON.parse(JSON.stringify(config)).static_resources.listeners;
    const manager = (one: typeof llm) => one.filter_chains[0].filters[0].typed_config;
    assert.deepEqual(manager(snapshots).http_filters[0], manager(llm).http_filters[0]);
    assert.doesNotMatch(JSON.stringify(manager(snapshots).route_config), /"cluster"/);
  });

  test("names the key, the value and the expectation when it is wrong", () => {
    const pool = { name: "a", models: ["m"], endpoints: ["127.0.0.1:1"] };
    const bad: [Partial<EnvoyConfigOptions>, RegExp][] = [
      [{ pools: [pool, { ...pool, models: [] }] }, /pool "a": expected each name once/],
      [{ pools: [pool, { ...pool, name: "b" }] }, /model "m": expected in one pool only/],
      [{ pools: [{ ...pool, endpoints: [] }] }, /pool "a": expected an endpoint/],
      [{ pools: [{ ...pool, endpoints: ["pod:80"] }] }, /endpoint "pod:80": expected ip:port/],
      [{ defaultPool: "zz" }, /defaultPool "zz": expected one of a, b/],
      [{ snapshotPort: 0 }, /snapshotPort: expected wasm as well/],
    ];
    for (const [change, message] of bad) assert.throws(() => envoyConfig({ ...base, ...change }), message);
  });

  test("reads endpoints of both address families and refuses invalid ports", () => {
    assert.deepEqual(parseEndpoint("[2001:db8::1]:80"), { address: "2001:db8::1", port: 80 });
    for (const wrong of ["1.2.3.4", "1.2.3.4:0", "1.2.3.4:65536", "::1:80", ":80"])
      assert.throws(() => parseEndpoint(wrong));
  });
});

for (const example of EXAMPLES) {
  describe(`envoy/local/${example.file}`, () => {
    test("is what the generator writes, and begins with its purpose", async () => {
      assert.equal(await readFile(exampleUrl(example), "utf8"), exampleText(example));
      assert.match(example.header, /^# Shows .{40}/);
    });

    test("is accepted by a real Envoy", async () => {
      // Unit tests do not build the module.
      const text = JSON.stringify(envoyConfig(example.options));
      const placed = JSON.parse(text.replaceAll(/"[^"]*pilotfish\.wasm"/g, JSON.stringify(wasmFile)));
      const { how, log } = await validate(placed);
      assert.equal(how, "status 0", log);
    });
  });
}
