// Writes the text of /metrics in vLLM's format, from the counts of a pod's engines.
import type { Engine } from "../engine/engine.ts";
import type { Histogram, HistogramName } from "../engine/stats.ts";
import type { PodParams } from "../params.ts";
import { createdName, FAMILIES, type Family } from "./families.ts";
import { httpSamples } from "./http-exposition.ts";
import { escapeLabel, pythonFloat, sampleValue } from "./numbers.ts";
import type { MetricsSource, Samples } from "./source.ts";

export const METRICS_CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8";

/** The text of one family, which is built again only after `stamp` has changed. */
interface Section {
  header: string;
  createdHeader: string;
  /** Whether the family describes the API server process itself. */
  ofProcess: boolean;
  stamp(): number;
  build(): Samples;
  seen: number;
  text: string;
}

/** The text of /metrics, with the families in vLLM's order. A scrape of an idle pod costs one comparison. */
export class Exposition {
  private readonly source: MetricsSource;
  private readonly sections: Section[];
  private body = "";
  private bodyVersion = -1;
  private sentBody = "";
  private sent: Buffer = Buffer.alloc(0);

  constructor(source: MetricsSource) {
    this.source = source;
    this.sections = FAMILIES.map((family) => section(family, source));
  }

  /** Returns the text as the bytes of a response. */
  bytes(): Buffer {
    const body = this.render();
    if (this.sentBody !== body) {
      this.sentBody = body;
      this.sent = Buffer.from(body);
    }
    return this.sent;
  }

  render(): string {
    let version = this.source.http.version;
    for (const engine of this.source.engines) version += engine.stats.version;
    if (version === this.bodyVersion) return this.body;
    this.bodyVersion = version;
    // Several processes keep their metrics in files, without the process' own metrics and without times of creation.
    const several = this.source.params.apiServers > 1;
    let body = "";
    for (const part of this.sections) {
      if (several && part.ofProcess) continue;
      if (part.header === LORA_HEADER && !this.source.engines.some((engine) => engine.lora)) continue;
      const stamp = part.stamp();
      if (stamp !== part.seen) {
        const { lines, created } = part.build();
        part.text = part.header + lines + (created === "" || several ? "" : part.createdHeader + created);
        part.seen = stamp;
      }
      body += part.text;
    }
    this.body = body;
    return body;
  }
}

const LORA = FAMILIES.find((family) => family.name === "vllm:lora_requests_info") as Family;
const LORA_HEADER = headerOf(LORA.name, LORA.type, LORA.help);

function headerOf(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function section(family: Family, source: MetricsSource): Section {
  const header = headerOf(family.name, family.type, family.help);
  const createdHeader = family.created ? headerOf(createdName(family), "gauge", family.help) : "";
  let tick = 0;
  const ofProcess = /^(python|process)_/.test(family.name);
  const base = { header, createdHeader, ofProcess, seen: -1, text: "" };
  const always = () => ++tick;
  const fixed = FIXED[family.name];
  if (fixed !== undefined) return { ...base, stamp: () => 0, build: () => ({ lines: fixed, created: "" }) };
  if (family.name === START_TIME) {
    const lines = `${START_TIME} ${sampleValue(source.startedAt / 1000)}\n`;
    return { ...base, stamp: () => 0, build: () => ({ lines, created: "" }) };
  }
  if (family.name.startsWith("http_")) {
    return { ...base, stamp: () => source.http.version, build: () => httpSamples(family.name, source) };
  }
  const name = family.name.replace("vllm:", "");
  if (family.type === "histogram") {
    const histograms = source.engines.map((engine) => engine.stats.histograms[name as HistogramName]);
    const stamp = () => histograms.reduce((sum, histogram) => sum + histogram.count, 0);
    return { ...base, stamp, build: histogramBuilder(family, histograms, source) };
  }
  if (name === "lora_requests_info") return { ...base, stamp: always, build: () => loraSamples(source) };
  if (name === "cache_config_info") return { ...base, stamp: always, build: () => cacheConfig(source) };
  return { ...base, stamp: always, build: seriesBuilder(family, source) };
}

const START_TIME = "process_start_time_seconds";

/** Families for which the simulator has no value, with the values of a real pod. */
const FIXED: Record<string, string> = {
  python_gc_objects_collected_total: generations("python_gc_objects_collected_total", [15054, 2470, 694]),
  python_gc_objects_uncollectable_total: generations("python_gc_objects_uncollectable_total", [0, 0, 0]),
  python_gc_collections_total: generations("python_gc_collections_total", [1576, 143, 10]),
  python_info: 'python_info{implementation="CPython",major="3",minor="11",patchlevel="7",version="3.11.7"} 1.0\n',
  process_virtual_memory_bytes: "process_virtual_memory_bytes 4.569837568e+09\n",
  process_resident_memory_bytes: "process_resident_memory_bytes 9.3906944e+08\n",
  process_cpu_seconds_total: "process_cpu_seconds_total 9.3\n",
  process_open_fds: "process_open_fds 34.0\n",
  process_max_fds: "process_max_fds 20000.0\n",
};

function generations(name: string, values: number[]): string {
  return values.map((value, i) => `${name}{generation="${i}"} ${sampleValue(value)}\n`).join("");
}

interface Series {
  /** A label in addition to `engine` and `model_name`. */
  label?: readonly [name: string, value: string];
  read(engine: Engine, params: PodParams, rank: number): number;
}

/** The values of `extraWaiting` and `extraRunning` are added to the first rank only. */
const pretended = (rank: number, requests: number) => (rank === 0 ? requests : 0);

const constant = (value: number) => () => value;
const bySource = (...rows: [string, Series["read"]][]): Series[] =>
  rows.map(([source, read]) => ({ label: ["source", source], read }));

/** Gauges and counters, by their name without the prefix `vllm:`. Each series has one line per engine. */
const SERIES: Record<string, Series[]> = {
  estimated_flops_per_gpu_total: [{ read: constant(0) }],
  estimated_read_bytes_per_gpu_total: [{ read: constant(0) }],
  estimated_write_bytes_per_gpu_total: [{ read: constant(0) }],
  num_requests_running: [
    { read: (engine, params, rank) => engine.stats.running + pretended(rank, params.extraRunning) },
  ],
  num_requests_waiting: [
    { read: (engine, params, rank) => engine.stats.waiting + pretended(rank, params.extraWaiting) },
  ],
  num_requests_waiting_by_reason: [
    {
      label: ["reason", "capacity"],
      read: (engine, params, rank) =>
        engine.stats.waiting - engine.stats.deferred + pretended(rank, params.extraWaiting),
    },
    { label: ["reason", "deferred"], read: (engine) => engine.stats.deferred },
  ],
  engine_sleep_state: [
    { label: ["sleep_state", "awake"], read: (_, params) => (params.asleep ? 0 : 1) },
    { label: ["sleep_state", "weights_offloaded"], read: (_, params) => (params.asleep ? 1 : 0) },
    { label: ["sleep_state", "discard_all"], read: constant(0) },
  ],
  kv_cache_usage_perc: [{ read: (engine) => engine.stats.kvUsage }],
  prefix_cache_queries_total: [{ read: (engine) => engine.stats.prefixQueries }],
  prefix_cache_hits_total: [{ read: (engine) => engine.stats.prefixHits }],
  external_prefix_cache_queries_total: [{ read: (engine) => engine.stats.outsideQueries }],
  external_prefix_cache_hits_total: [{ read: (engine) => engine.stats.outsideHits }],
  mm_cache_queries_total: [{ read: constant(0) }],
  mm_cache_hits_total: [{ read: constant(0) }],
  num_preemptions_total: [{ read: (engine) => engine.stats.preemptions }],
  prompt_tokens_total: [{ read: (engine) => engine.stats.promptTokens }],
  prompt_tokens_by_source_total: bySource(
    ["local_compute", (engine) => engine.stats.promptTokens - engine.stats.cachedTokens],
    ["local_cache_hit", (engine) => engine.stats.cachedTokens - engine.stats.outsideTokens],
    ["external_kv_transfer", (engine) => engine.stats.outsideTokens],
  ),
  prompt_tokens_cached_total: [{ read: (engine) => engine.stats.cachedTokens }],
  prompt_tokens_cached_by_source_total: bySource(
    ["device", (engine) => engine.stats.prefixHits],
    ["host", (engine) => engine.stats.outsideHits],
    ["p2p", constant(0)],
    ["disk", constant(0)],
    ["external_unspecified", constant(0)],
  ),
  generation_tokens_total: [{ read: (engine) => engine.stats.generationTokens }],
  request_success_total: [
    { label: ["finished_reason", "stop"], read: (engine) => engine.stats.finished.stop },
    { label: ["finished_reason", "length"], read: (engine) => engine.stats.finished.length },
    { label: ["finished_reason", "abort"], read: (engine) => engine.stats.finished.abort },
    { label: ["finished_reason", "error"], read: (engine) => engine.stats.finished.error },
    { label: ["finished_reason", "repetition"], read: constant(0) },
  ],
  admission_rejections_total: [
    { label: ["reason", "max_num_queued_reqs"], read: (engine) => engine.stats.rejections },
    { label: ["reason", "max_num_queued_tokens"], read: constant(0) },
  ],
};

function seriesBuilder(family: Family, source: MetricsSource): () => Samples {
  const series = SERIES[family.name.replace("vllm:", "")];
  if (series === undefined) throw new Error(`no source for metric family ${family.name}`);
  // A request is rejected before an engine is chosen, so the first engine counts the rejections of all engines.
  const engines = family.name === "vllm:admission_rejections_total" ? source.engines.slice(0, 1) : source.engines;
  const rows = series.flatMap((one) =>
    engines.map((engine, i) => ({ one, engine, rank: i, labels: labelsOf(one, i, family) })),
  );
  const model = escapeLabel(source.modelName);
  const prefixes = rows.map((row) => `${family.name}{${row.labels.replace(MODEL, model)}} `);
  const createdAt = sampleValue(source.startedAt / 1000);
  const created = family.created
    ? rows.map((row) => `${createdName(family)}{${row.labels.replace(MODEL, model)}} ${createdAt}\n`).join("")
    : "";
  return () => {
    let lines = "";
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as (typeof rows)[number];
      lines += `${prefixes[i]}${sampleValue(row.one.read(row.engine, source.params, row.rank))}\n`;
    }
    return { lines, created };
  };
}

const MODEL = "\u0000";

/** Returns the labels sorted by name, as prometheus_client writes them. */
function labelsOf(series: Series, engine: number, family: Family): string {
  const labels: [string, string][] = [["model_name", MODEL]];
  if (family.name !== "vllm:admission_rejections_total") labels.push(["engine", String(engine)]);
  if (series.label !== undefined) labels.push([...series.label]);
  labels.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return labels.map(([name, value]) => `${name}="${value}"`).join(",");
}

function histogramBuilder(family: Family, histograms: Histogram[], source: MetricsSource): () => Samples {
  const model = escapeLabel(source.modelName);
  const bounds = (histograms[0] as Histogram).bounds;
  const prefixes = histograms.map((_, i) =>
    [...bounds.map(pythonFloat), "+Inf"].map(
      (le) => `${family.name}_bucket{engine="${i}",le="${le}",model_name="${model}"} `,
    ),
  );
  const createdAt = sampleValue(source.startedAt / 1000);
  const labels = histograms.map((_, i) => `{engine="${i}",model_name="${model}"} `);
  const created = labels.map((label) => `${createdName(family)}${label}${createdAt}\n`).join("");
  return () => {
    let lines = "";
    for (let i = 0; i < histograms.length; i++) {
      const histogram = histograms[i] as Histogram;
      let total = 0;
      for (let bucket = 0; bucket < histogram.counts.length; bucket++) {
        total += histogram.counts[bucket] as number;
        lines += `${prefixes[i]?.[bucket]}${sampleValue(total)}\n`;
      }
      lines += `${family.name}_count${labels[i]}${sampleValue(histogram.count)}\n`;
      lines += `${family.name}_sum${labels[i]}${sampleValue(histogram.sum)}\n`;
    }
    return { lines, created };
  };
}

function loraSamples(source: MetricsSource): Samples {
  const series = new Map<string, number>();
  for (const engine of source.engines) {
    for (const [names, at] of engine.stats.loraSeries) series.set(names, Math.max(at, series.get(names) ?? 0));
  }
  let lines = "";
  for (const [names, at] of series) {
    const value = escapeLabel(names);
    lines += `vllm:lora_requests_info{max_lora="${source.params.maxLoras}",running_lora_adapters="${value}",waiting_lora_adapters="${value}"} ${sampleValue(at)}\n`;
  }
  return { lines, created: "" };
}

/**
 * Returns the labels of a real pod. Only the labels with the sizes of blocks and caches differ. Each rank reports the blocks
 * of all ranks.
 */
function cacheConfig(source: MetricsSource): Samples {
  const { blockSize, kvBlocks, maxModelLen, offloadBlocks, kvMemoryBytes } = source.params;
  const tokens = blockSize * kvBlocks;
  // In GiB, where the cache of one rank has 1 GiB (kv_cache_memory_bytes).
  const offloading = offloadBlocks === 0 ? "None" : pythonFloat(offloadBlocks / kvBlocks);
  const line = (engine: number) =>
    `vllm:cache_config_info{_block_size_resolved="True",block_size="${blockSize}",cache_dtype="auto",cache_hit_alignment_tokens="None",effective_attention_block_size="${blockSize}",enable_mamba_shared_prefix_checkpoint="False",enable_prefix_caching="True",engine="${engine}",gpu_memory_utilization="0.92",hash_block_size="None",is_attention_free="False",kv_cache_dtype_skip_layers="[]",kv_cache_layout="None",kv_cache_max_concurrency="${pythonFloat(tokens / maxModelLen)}",kv_cache_memory_bytes="${kvMemoryBytes ? 2 ** 30 : "None"}",kv_cache_size_tokens="${tokens}",kv_offloading_backend="native",kv_offloading_size="${offloading}",kv_sharing_fast_prefill="False",mamba_block_size="None",mamba_cache_dtype="auto",mamba_cache_mode="none",mamba_page_size_padded="None",mamba_ssm_cache_dtype="float32",num_cpu_blocks="None",num_gpu_blocks="${kvBlocks * source.engines.length}",num_gpu_blocks_override="None",prefix_cache_retention_interval="0",prefix_caching_hash_algo="sha256",prefix_match_unit="None",replayssm_buffer_len="16",skip_page_size_padded="None",sliding_window="None",swa_bounded_replay="True",use_kda_recoverssm="False",use_replayssm="False",user_specified_block_size="False"} 1.0\n`;
  return { lines: source.engines.map((_, i) => line(i)).join(""), created: "" };
}
