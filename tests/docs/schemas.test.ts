// Uses the shipped JSON Schemas as an editor does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });

/** Paths of the values that a schema rejects. */
function wrong(program: "filter" | "sidecar"): (configuration: unknown) => string[] {
  const validate = ajv.compile(JSON.parse(readFileSync(`schemas/${program}.schema.json`, "utf8")));
  return (configuration) => {
    validate(configuration);
    return [...new Set((validate.errors ?? []).map(({ instancePath }) => instancePath))].sort();
  };
}

test("the filter's schema accepts a configuration with every kind of value", () => {
  const configuration = {
    $schema: "./schemas/filter.schema.json",
    snapshot: { staleAfter: "500ms", secret: ["0123456789abcdef", "fedcba9876543210"] },
    pick: {
      ejection: { base: "1s" },
      config: {
        plugins: [{ type: "queue-scorer" }],
        schedulingProfiles: [{ name: "d", plugins: [{ pluginRef: "queue-scorer", weight: null }] }],
      },
    },
    models: {
      rules: [
        { name: "gpt-4*", model: "m" },
        { name: "c", targets: [{ modelRewrite: "m", weight: 3 }] },
      ],
    },
    plugins: ["base-model-to-header:x", { type: "body-field-to-header", json: { field_name: "a", headerName: "x-a" } }],
    paths: ["/a/{model}/"],
  };
  assert.deepEqual(wrong("filter")(configuration), []);
});

test("the filter's schema finds wrong values and unknown keys", () => {
  const configuration = {
    pick: { profile: "none", noSuchKey: 1 },
    snapshot: { staleAfter: "2m", secret: "short" },
    body: 1,
  };
  assert.deepEqual(wrong("filter")(configuration), [
    "/body",
    "/pick",
    "/pick/profile",
    "/snapshot/secret",
    "/snapshot/staleAfter",
  ]);
});

test("the sidecar's schema accepts a configuration with every kind of value", () => {
  const configuration = {
    endpoints: ["http://a:1", { url: "http://b:2" }],
    kubernetes: {},
    engines: { mine: { waiting: "a", running: ["b", 'c{x="y"}'] } },
    models: { static: { m: null, a: { base: "m" } } },
    scrape: { maxBytes: "4MiB", interval: "1.5s" },
    push: { targets: ["http://e:1"], retryMin: "5ms", secret: ["a", "b"] },
    listen: ":9400",
  };
  assert.deepEqual(wrong("sidecar")(configuration), []);
});

test("the sidecar's schema finds wrong values and unknown keys", () => {
  const configuration = { scrape: { interval: "5x", failures: 0 }, endpoints: [5], noSuchKey: 1 };
  assert.deepEqual(wrong("sidecar")(configuration), ["", "/endpoints/0", "/scrape/failures", "/scrape/interval"]);
});
