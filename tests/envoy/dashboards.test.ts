import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { dashboardText } from "../../envoy/dashboards/grafana.ts";
import { ROWS } from "../../envoy/dashboards/panels.ts";
import { groupedBy, matches, samplesOf, selectorsOf } from "../../testkit/promql.ts";

const names = (query: string) => selectorsOf(query).map(({ name }) => name);

test("every metric of a query is found, and no function, keyword or label counts as a metric", () => {
  assert.deepEqual(names("up"), ["up"]);
  assert.deepEqual(names('sum by (le, job) (rate(vllm:a_bucket{x="}"}[5m]))'), ["vllm:a_bucket"]);
  assert.deepEqual(names("a == 0 unless on (x) b == 1 or c offset 5m"), ["a", "b", "c"]);
  assert.deepEqual(names("histogram_quantile(0.9, a{}) > 0.05 * sum(b) / count without (c) (d)"), ["a", "b", "d"]);
  assert.deepEqual(selectorsOf('{__name__=~"a_.+", job!="b"}'), [
    {
      name: "",
      matchers: [
        { label: "__name__", operator: "=~", value: "a_.+" },
        { label: "job", operator: "!=", value: "b" },
      ],
    },
  ]);
  assert.deepEqual(groupedBy("sum by (a, b) (x) / on(c) group_left (d) y"), ["a", "b", "c", "d"]);
});

test("a selector matches the samples that Prometheus would match", () => {
  const [sample] = samplesOf('# HELP a b\na{code="200",path="/x\\"y"} 1 5', { job: "j" });
  assert.ok(sample);
  const fits = (query: string) => selectorsOf(query).every((selector) => matches(selector, sample));
  for (const query of [
    "a",
    'a{code="200"}',
    'a{code=~"2.."}',
    'a{code!~"5.."}',
    'a{none=""}',
    '{__name__=~"a|b",job="j"}',
  ])
    assert.ok(fits(query), query);
  for (const query of ["b", 'a{code="20"}', 'a{code=~"2."}', 'a{none="x"}', 'a{job!="j"}'])
    assert.ok(!fits(query), query);
});

test("pilotfish.json is generated from panels.ts; `tsx envoy/dashboards/grafana.ts` writes it", async () => {
  const file = await readFile(new URL("../../envoy/dashboards/pilotfish.json", import.meta.url), "utf8");
  assert.equal(file, dashboardText());
});

test("each panel has a unique title and a description", () => {
  for (const { panels } of ROWS) {
    assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
    for (const { title, about, queries } of panels) {
      assert.ok(about.length > 5 && queries.length > 0, title);
      assert.ok(queries.length <= 26, "a letter for each");
    }
  }
});
