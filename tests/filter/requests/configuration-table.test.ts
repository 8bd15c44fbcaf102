// Compares the documented configuration with the release wasm. The filter accepts each documented default and limit, and refuses
// everything else.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationRefused, Process, Root } from "../../../emulator/index.ts";
import { milliseconds } from "../../../schemas/filter/rows.ts";
import { filterSchema } from "../../../schemas/generate/filter-schema.ts";
import type { Schema } from "../../../schemas/generate/schema.ts";
import { SECRET } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";

interface Trial {
  accepted: boolean;
  /** Log lines of a level above info. */
  lines: string[];
}

function tryOut(configuration: unknown): Trial {
  const vm = new Process().startVm(release, { environment: { PILOTFISH_SECRET: SECRET } });
  const lines = () => vm.logs.filter(({ level }) => level !== "info").map(({ text }) => text);
  try {
    new Root(vm, { configuration: JSON.stringify(configuration), allowOnHeadersStopIteration: true });
  } catch (error) {
    if (!(error instanceof ConfigurationRefused)) throw error;
    return { accepted: false, lines: lines() };
  }
  return { accepted: true, lines: lines() };
}

/** Keys that an object needs beside the key that a test tries. */
const AROUND: Readonly<Record<string, object>> = {
  "body.fields[]": { field: "user", header: "x-user" },
  "plugins[]": { type: "body-field-to-header", json: { fieldName: "user", headerName: "x-user" } },
  "plugins[].json": { fieldName: "user", headerName: "x-user" },
  "models.rules[]": { name: "a", model: "b" },
  "models.rules[].targets[]": { model: "b" },
  "pick.config": { plugins: [{ type: "queue-scorer" }] },
  "pick.config.plugins[]": { type: "queue-scorer" },
  "pick.config.schedulingProfiles[]": { name: "default" },
  "pick.config.schedulingProfiles[].plugins[]": { pluginRef: "queue-scorer" },
  // A maxTime below baseTime would be refused, whichever key is tried.
  "pick.ejection": { maxTime: "3600s" },
};
/** For some tried keys, the key of AROUND that must be left out. */
const EXCLUDES: Readonly<Record<string, string>> = {
  "models.rules[].targets": "model",
  "pick.ejection.most": "maxTime",
};

/** Returns a configuration in which the object at `path` has `value` under `key`. */
function withKey(path: string, key: string, value: unknown): unknown {
  let inner: Record<string, unknown> = { ...AROUND[path] };
  const excluded = EXCLUDES[`${path}.${key}`];
  if (excluded !== undefined) delete inner[excluded];
  inner[key] = value;
  for (let at = path; at !== ""; ) {
    const list = at.endsWith("[]");
    const bare = list ? at.slice(0, -2) : at;
    const dot = bare.lastIndexOf(".");
    const name = bare.slice(dot + 1);
    at = dot < 0 ? "" : bare.slice(0, dot);
    const outer: Record<string, unknown> = { ...AROUND[at] };
    const excludedOuter = EXCLUDES[`${at}.${name}`];
    if (excludedOuter !== undefined) delete outer[excludedOuter];
    inner = { ...outer, [name]: list ? [inner] : inner };
  }
  return inner;
}

function accepts(path: string, key: string, value: unknown, warning?: RegExp): void {
  const { accepted, lines } = tryOut(withKey(path, key, value));
  const what = `${path}.${key} = ${JSON.stringify(value)}: ${lines.join("; ")}`;
  assert.ok(accepted, what);
  assert.equal(lines.length, warning === undefined ? 0 : 1, what);
  if (warning !== undefined) assert.match(lines[0] ?? "", warning);
}

function refuses(path: string, key: string, value: unknown): void {
  const { accepted, lines } = tryOut(withKey(path, key, value));
  const what = `${path}.${key} = ${JSON.stringify(value)}: ${lines.join("; ")}`;
  assert.ok(!accepted, `${what} is accepted`);
  assert.ok(lines[0]?.includes(key), what);
}

interface Key {
  path: string;
  key: string;
  schema: Schema;
}

/** Returns every key of every object of the schema. */
function keysOf(path: string, schema: Schema): Key[] {
  const object = schema.properties !== undefined ? schema : undefined;
  if (object === undefined) {
    const within = schema.items ?? schema.anyOf?.find((one) => one.properties !== undefined);
    return within === undefined ? [] : keysOf(schema.items === undefined ? path : `${path}[]`, within);
  }
  return Object.entries(object.properties ?? {}).flatMap(([key, property]) => [
    { path, key, schema: property },
    ...keysOf(path === "" ? key : `${path}.${key}`, property),
  ]);
}

const all = keysOf("", filterSchema());
const nameOf = ({ path, key }: Key) => (path === "" ? key : `${path}.${key}`);

describe("the filter's configuration, as documented", () => {
  for (const row of all) {
    const { path, key, schema } = row;
    const former = schema.deprecated ? /this key is now called/ : undefined;
    if (schema.default !== undefined)
      test(`${nameOf(row)} accepts its default`, () => accepts(path, key, schema.default, former));

    if (schema.enum !== undefined)
      test(`${nameOf(row)} accepts its values and no other`, () => {
        for (const value of schema.enum ?? []) accepts(path, key, value);
        for (const value of ["another", 1, null, []]) refuses(path, key, value);
      });

    const { minimum, maximum } = schema;
    if (schema.type === "integer" && minimum !== undefined && maximum !== undefined)
      test(`${nameOf(row)} accepts whole numbers from ${minimum} to ${maximum} and nothing else`, () => {
        for (const value of [minimum, maximum]) accepts(path, key, value);
        for (const value of [minimum - 1, maximum + 1, minimum + 0.5, `${minimum}`, null, true])
          refuses(path, key, value);
      });

    if (schema.type === "boolean")
      test(`${nameOf(row)} accepts true and false and nothing else`, () => {
        for (const value of [true, false]) accepts(path, key, value);
        for (const value of [1, "true", null]) refuses(path, key, value);
      });

    const range = /^duration, (\w+) to (\w+)$/.exec(schema["x-type"] ?? "");
    if (range !== null)
      test(`${nameOf(row)} accepts durations from ${range[1]} to ${range[2]} and nothing else`, () => {
        const [min, max] = [milliseconds(range[1] ?? ""), milliseconds(range[2] ?? "")];
        // The least maxTime is below the default of baseTime, so the filter refuses it.
        if (key !== "maxTime" && key !== "most") accepts(path, key, range[1], former);
        accepts(path, key, range[2], former);
        for (const value of [`${max + 1}ms`, 5, "5", "1.5s", "1m", null]) refuses(path, key, value);
        if (min > 0) refuses(path, key, `${min - 1}ms`);
      });

    const properties = schema.properties ?? schema.items?.properties;
    if (properties !== undefined)
      test(`${nameOf(row)} refuses an unknown key and names the known ones`, () => {
        const inside = `${path === "" ? key : `${path}.${key}`}${schema.items === undefined ? "" : "[]"}`;
        const { accepted, lines } = tryOut(withKey(inside, "no-such-key", 1));
        assert.ok(!accepted);
        assert.ok(lines[0]?.startsWith(`pilotfish: ${inside.replaceAll("[]", "[0]")}.no-such-key: `), lines[0]);
        const known = lines[0]?.split("known are ")[1]?.split(", ");
        const documented = Object.entries(properties).filter(([, { deprecated }]) => !deprecated);
        assert.deepEqual(
          known,
          documented.map(([name]) => name),
        );
        for (const value of [1, "text", null, true]) refuses(path, key, value);
      });
  }

  test("the table has every kind of row", () => {
    assert.ok(all.length > 80);
    assert.ok(all.some(({ schema }) => schema.deprecated));
  });

  test("a key that is given under both names is refused", () => {
    const { accepted, lines } = tryOut({ pick: { ejection: { base: "1s", baseTime: "1s" } } });
    assert.ok(!accepted);
    assert.match(lines[0] ?? "", /pick\.ejection\.base: given beside pick\.ejection\.baseTime/);
  });

  test("$schema is accepted, with any text", () => accepts("", "$schema", "https://example.com/filter.schema.json"));
});
