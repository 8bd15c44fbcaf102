// The Grafana dashboard and the alert rules, compared with the real metrics of Envoy, the sidecar and a simulated pod: each
// metric, label and value of a query exists. If Prometheus is installed, it scrapes the three and has an answer to every query.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { ROWS } from "../../envoy/dashboards/panels.ts";
import { endWithProcess } from "../../envoy/process.ts";
import type { Sidecar } from "../../sidecar/sidecar.ts";
import type { Pod } from "../../simulator/pod.ts";
import { around } from "../../testkit/around.ts";
import { startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod, feed, known } from "../../testkit/fleet.ts";
import { chat, post, send } from "../../testkit/http.ts";
import { freePorts } from "../../testkit/ports.ts";
import { groupedBy, matches, type Sample, samplesOf, selectorsOf } from "../../testkit/promql.ts";
import { until } from "../../testkit/until.ts";

const ALERTS = fileURLToPath(new URL("../../envoy/dashboards/alerts.yaml", import.meta.url));
const ALERT_TESTS = fileURLToPath(new URL("../../tests/envoy/alerts.test.yaml", import.meta.url));
const MODEL = "llama";
const JOBS = { envoy: "envoy", sidecar: "pilotfish-sidecar", vllm: "vllm" };

const installed = (command: string) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
const noPrometheus = installed("prometheus") && installed("promtool") ? false : "prometheus is not installed";

interface Rule {
  alert: string;
  expr: string;
  annotations: Record<string, string>;
}
const { groups } = parse(await readFile(ALERTS, "utf8")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const panels = ROWS.flatMap((row) => row.panels.map((panel) => ({ ...panel, title: `${row.title}: ${panel.title}` })));

/** Replaces the variables as Grafana does. */
const filled = (expr: string) =>
  expr
    .replaceAll("$envoy", JOBS.envoy)
    .replaceAll("$sidecar", JOBS.sidecar)
    .replaceAll("$vllm", JOBS.vllm)
    .replaceAll("$model", MODEL)
    .replaceAll("$__rate_interval", "4s");

const queries = [
  ...panels.flatMap(({ title, queries }) => queries.map(({ expr, legend }) => ({ what: title, expr, legend }))),
  ...rules.map(({ alert, expr, annotations }) => ({ what: alert, expr, legend: Object.values(annotations).join(" ") })),
];

describe("every query of the dashboard and the alerts", () => {
  let pods: Pod[];
  let envoy: TestEnvoy;
  let sidecar: Sidecar;

  around(
    async () => {
      pods = [await fastPod("pod-1", MODEL), await fastPod("pod-2", MODEL)];
      envoy = await startGateway({
        pools: [{ name: MODEL, models: [MODEL], endpoints: pods.map((pod) => pod.address) }],
      });
      sidecar = await feed({ pods, envoys: [envoy] });
      await known(envoy, MODEL);
      await traffic();
    },
    async () => {
      await sidecar?.close();
      await envoy?.close();
      await Promise.all((pods ?? []).map((pod) => pod.close()));
    },
  );

  async function traffic(): Promise<void> {
    for (let i = 0; i < 8; i++) await post(envoy.url, chat(MODEL, { stream: i % 2 === 0, max_tokens: 4 }));
    await post(envoy.url, "{");
    await send(envoy.url, { path: "/v1/models" });
  }

  const urls = (): Record<keyof typeof JOBS, string[]> => ({
    envoy: [`${envoy.adminUrl}/stats/prometheus`],
    sidecar: [`${sidecar.url}/metrics`],
    vllm: pods.map(({ url }) => `${url}/metrics`),
  });

  async function exposition(job: keyof typeof JOBS): Promise<string> {
    const texts = await Promise.all(urls()[job].map(async (url) => (await fetch(url)).text()));
    return texts.join("\n");
  }

  async function samples(): Promise<Sample[]> {
    const all: Sample[] = [];
    for (const [job, name] of Object.entries(JOBS))
      all.push(...samplesOf(await exposition(job as keyof typeof JOBS), { job: name, instance: "any" }));
    // In PromQL the name of a metric is a label as well.
    for (const sample of all) sample.labels = { ...sample.labels, __name__: sample.name };
    return all;
  }

  test("names only metrics, labels and values that are exposed", async () => {
    for (const { what, expr } of queries) {
      assert.doesNotMatch(filled(expr), /\$/, `${what}: a variable that nobody fills in`);
      assert.ok(selectorsOf(filled(expr)).length > 0, `${what}: ${filled(expr)}`);
    }
    let exposed: Sample[] = [];
    const missing = () =>
      queries.flatMap(({ what, expr }) =>
        selectorsOf(filled(expr))
          .filter((selector) => !exposed.some((sample) => matches(selector, sample)))
          .map(({ name, matchers }) => `${what}: nothing exposes ${name} ${JSON.stringify(matchers)}`),
      );
    // Envoy merges histograms on a flush, and the last flush may be older than some of the traffic.
    await until("every metric to be exposed", async () => {
      exposed = await samples();
      return missing().length === 0;
    }).catch(() => assert.deepEqual(missing(), []));
    for (const { what, expr, legend } of queries) {
      const query = filled(expr);
      const selectors = selectorsOf(query);
      const wanted = new Set([...groupedBy(query), ...legendLabels(legend)]);
      for (const selector of selectors) {
        // The sample of a comparison must exist; it need not fulfil the comparison.
        const found = exposed.filter((sample) => matches(selector, sample));
        for (const label of wanted)
          assert.ok(
            found.some((sample) => sample.labels[label] !== undefined),
            `${what}: ${selector.name} has no label ${label}`,
          );
      }
    }
  });

  test("Prometheus accepts it, and each alert fires when it should and not otherwise", { skip: noPrometheus }, () => {
    const checked = spawnSync("promtool", ["check", "rules", ALERTS], { encoding: "utf8" });
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    const tested = spawnSync("promtool", ["test", "rules", ALERT_TESTS], { encoding: "utf8" });
    assert.equal(tested.status, 0, tested.stdout + tested.stderr);
  });

  test("has an answer in a Prometheus that scrapes all three", { skip: noPrometheus }, async () => {
    const prometheus = await startPrometheus(urls());
    try {
      await until("two scrapes of all", async () => {
        await traffic();
        const seen = await prometheus.query(`count_over_time(up[4s]) >= 2`);
        return seen.length === 4;
      });
      await traffic();
      for (const { title, queries } of panels)
        for (const { expr } of queries) {
          // A rate needs two scrapes within its window, also on a busy machine.
          const found = await until(`an answer to ${title}: ${filled(expr)}`, async () => {
            const answer = await prometheus.query(filled(expr));
            return answer.length > 0 && answer;
          });
          assert.ok(found.length > 0);
        }
      for (const { alert, expr } of rules)
        await prometheus.query(expr).catch((error) => assert.fail(`${alert}: ${error}`));
      const rates = await prometheus.query(filled('sum(increase(pilotfish_picked{job=~"$envoy"}[1m]))'));
      assert.ok(Number(rates[0]?.value[1]) > 0, "requests are seen");
    } finally {
      await prometheus.close();
    }
  });
});

const legendLabels = (legend: string): string[] =>
  [...legend.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g)].map(([, label]) => label as string);

interface Prometheus {
  query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>;
  close(): Promise<void>;
}

async function startPrometheus(targets: Record<keyof typeof JOBS, string[]>): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-prometheus-"));
  const scrape_configs = Object.entries(targets).map(([job, urls]) => ({
    job_name: JOBS[job as keyof typeof JOBS],
    metrics_path: new URL(urls[0] as string).pathname,
    static_configs: [{ targets: urls.map((url) => new URL(url).host) }],
  }));
  const config = {
    global: { scrape_interval: "500ms", scrape_timeout: "500ms" },
    rule_files: [ALERTS],
    scrape_configs,
  };
  await writeFile(join(folder, "prometheus.yml"), stringify(config));
  const [port] = await freePorts(1);
  const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
  args.push(`--web.listen-address=127.0.0.1:${port}`, "--log.level=warn");
  const child: ChildProcess = spawn("prometheus", args, { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    words += chunk.toString();
  });
  const exited = new Promise((done) => child.on("exit", done));
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  const query: Prometheus["query"] = async (expr) => {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const json = (await response.json()) as { status: string; error?: string; data: { result: [] } };
    if (json.status !== "success") throw new Error(`${expr}: ${json.error}`);
    return json.data.result;
  };
  const close = async () => {
    child.kill("SIGTERM");
    await exited;
    forget();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until("Prometheus ready", async () => {
      if (child.exitCode !== null) throw new Error(`prometheus ended: ${words}`);
      return fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { query, close };
}
