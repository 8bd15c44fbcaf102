// Turns Prometheus text into a Reading, in one pass over the bytes and without an object per line. It reads only the metrics
// of the engines' tables.
//
//   line    = blank* ( comment | sample )? CR? LF          blank = SP | TAB
//   comment = "#" anything
//   sample  = name blank* labels? blank* value ( blank+ anything )?        timestamps and exemplars are skipped
//   labels  = "{" ( blank* label blank* "=" blank* '"' escaped '"' blank* ","? )* blank* "}"
//   escaped = any byte except LF, with \\ \" \n for backslash, quote and line feed
//   value   = a number that Go's ParseFloat accepts: 12, 9.75e-06, +Inf, NaN
//
// The parser reads whole bodies only, since a scrape counts only if its body arrived whole. A last line without LF is not
// read: "12" may be the beginning of "123". A line that breaks the grammar is skipped; no state goes from line to line.
import type { LabelNumber } from "../engines/engine-rows.ts";
import type { Counters, Reading } from "../engines/reading.ts";
import { AdapterSeries } from "./adapter-series.ts";
import type { CompiledRow, EngineRows, MetricTrie } from "./metric-trie.ts";
import { parseNumber } from "./number.ts";

const TAB = 0x09;
const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const indexOf = Uint8Array.prototype.indexOf;

/** Maximum of labels that one row reads. */
const MAX_LABELS = 4;

/** A body that was read. */
export interface ParsedPage {
  reading: Reading;
  /** Number of samples of each name of wantedNames(), for the engine of the reading; empty: the engine is not known. */
  samples: readonly number[];
  /** Bytes of the body, decompressed. */
  bytes: number;
}

/** A parser reads any number of bodies, one after the other. The accumulators below have an element for each row. */
export class MetricsParser {
  readonly #trie: MetricTrie;
  readonly #count: Float64Array;
  readonly #sum: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #infos: Array<Record<string, number>>;
  /** Samples of each name, also those whose value or labels are refused. */
  readonly #named: Uint32Array;
  readonly #adapters = new AdapterSeries();
  /** The byte range of each wanted label's value in the current line; #from is -1 without that label. */
  readonly #from = new Int32Array(MAX_LABELS);
  readonly #to = new Int32Array(MAX_LABELS);
  #samples = 0;
  #malformed = 0;

  constructor(trie: MetricTrie) {
    this.#trie = trie;
    const rows = trie.rows.length;
    this.#count = new Float64Array(rows);
    this.#sum = new Float64Array(rows);
    this.#min = new Float64Array(rows);
    this.#max = new Float64Array(rows);
    this.#infos = trie.rows.map(() => ({}));
    this.#named = new Uint32Array(trie.names.length);
  }

  /** Reads a body, and says how many samples each name had. Bound to this parser, to be passed on as a callback. */
  readonly read = (body: Buffer): ParsedPage => {
    this.#pass(body);
    const engine = this.#recognise();
    const samples = engine?.groups.map((group) => this.#named[group] as number) ?? [];
    return { reading: this.#reading(body, engine), samples, bytes: body.length };
  };

  parse(body: Buffer): Reading {
    this.#pass(body);
    return this.#reading(body, this.#recognise());
  }

  /** Adds up the samples of a body. */
  #pass(body: Buffer): void {
    this.#reset();
    const { offsets, next, names } = this.#trie;
    // Every line before `end` ends in LF, and no loop below steps over an LF, so no loop leaves the body.
    const end = body.lastIndexOf(LF) + 1;
    let at = 0;
    while (at < end) {
      let byte = body[at] as number;
      while (byte === SPACE || byte === TAB) byte = body[++at] as number;
      if (byte !== HASH) {
        // A node may look at a byte behind the line or behind the body. Then the comparison with the whole name fails.
        let edge = byte < 128 ? (next[byte] as number) : 0;
        while (edge !== 0 && (edge & 1) === 0) {
          const node = edge >> 1;
          byte = body[at + (offsets[node] as number)] ?? LF;
          edge = byte < 128 ? (next[(node << 7) | byte] as number) : 0;
        }
        if (edge !== 0) {
          const group = edge >> 1;
          const name = names[group] as Buffer;
          byte = body[at + name.length] ?? LF;
          if ((byte === OPEN || byte === SPACE || byte === TAB) && begins(body, at, name))
            at = this.#sample(body, at + name.length, group);
        }
      }
      at = (indexOf.call(body, LF, at) as number) + 1;
    }
  }

  /** Reads labels and value of a line for each row with this name. Returns a position within the line. */
  #sample(body: Buffer, at: number, group: number): number {
    (this.#named[group] as number) += 1;
    for (const row of this.#trie.groups[group] as readonly number[]) {
      const compiled = this.#trie.rows[row] as CompiledRow;
      let p = skipBlanks(body, at);
      this.#from.fill(-1);
      if (body[p] === OPEN) {
        p = this.#labels(body, p + 1, compiled.labels);
        if (p < 0) {
          this.#malformed++;
          continue;
        }
      }
      p = skipBlanks(body, p);
      let stop = p;
      // SP, TAB, CR and LF end the value. No byte below SP belongs to a value.
      while ((body[stop] as number) > SPACE) stop++;
      const value = parseNumber(body, p, stop);
      if (value === undefined) this.#malformed++;
      else this.#take(body, row, compiled, value);
    }
    return at;
  }

  /**
   * Reads from after "{" to after "}", and sets #from and #to. Returns the position after "}"; -1: the line breaks the
   * grammar.
   */
  #labels(body: Buffer, start: number, wanted: readonly Buffer[]): number {
    let p = start;
    for (;;) {
      p = skipBlanks(body, p);
      if (body[p] === CLOSE) return p + 1;
      const name = p;
      while ((body[p] as number) > SPACE && body[p] !== EQUALS) p++;
      const nameEnd = p;
      p = skipBlanks(body, p);
      if (nameEnd === name || body[p] !== EQUALS) return -1;
      p = skipBlanks(body, p + 1);
      if (body[p] !== QUOTE) return -1;
      const value = ++p;
      for (;;) {
        const byte = body[p] as number;
        if (byte === QUOTE) break;
        if (byte === LF) return -1;
        // A backslash steps over the next byte, but never over a raw LF, which ends the line.
        p += byte === BACKSLASH && body[p + 1] !== LF ? 2 : 1;
      }
      for (let i = 0; i < wanted.length; i++) {
        if (equals(body, name, nameEnd, wanted[i] as Buffer)) {
          this.#from[i] = value;
          this.#to[i] = p;
        }
      }
      p = skipBlanks(body, p + 1);
      if (body[p] === COMMA) p++;
      else if (body[p] !== CLOSE) return -1;
    }
  }

  #take(body: Buffer, row: number, compiled: CompiledRow, value: number): void {
    this.#samples++;
    switch (compiled.row.kind) {
      case "gauge":
      case "counter": {
        const { wanted } = compiled;
        if (wanted !== null) {
          const from = this.#from[0] as number;
          if (from < 0 || !equals(body, from, this.#to[0] as number, wanted)) return;
        }
        // A NaN, infinite or negative sample says nothing; the samples of other ranks still count.
        if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return;
        this.#min[row] = this.#count[row] === 0 ? value : Math.min(this.#min[row] as number, value);
        this.#max[row] = Math.max(this.#max[row] as number, value);
        (this.#sum[row] as number) += value;
        (this.#count[row] as number) += 1;
        return;
      }
      case "labels": {
        const info = this.#infos[row] as Record<string, number>;
        let i = 0;
        for (const signal in compiled.row.numbers) {
          const from = this.#from[i] as number;
          const number = from < 0 ? undefined : parseNumber(body, from, this.#to[i] as number);
          if (number !== undefined && Number.isFinite(number) && number > (info[signal] ?? 0)) info[signal] = number;
          i++;
        }
        return;
      }
      case "adapters":
        this.#adapters.offer(value, this.#from, this.#to);
    }
  }

  #reset(): void {
    this.#count.fill(0);
    this.#sum.fill(0);
    this.#min.fill(0);
    this.#max.fill(0);
    this.#named.fill(0);
    for (const info of this.#infos) for (const key in info) info[key] = 0;
    this.#adapters.clear();
    this.#samples = 0;
    this.#malformed = 0;
  }

  #counters(engine: EngineRows): Counters {
    const counters: Counters = {};
    for (const [name, rows] of engine.counters) {
      const value = this.#gauge(rows);
      if (value !== null) counters[name] = value;
    }
    return counters;
  }

  #gauge(rows: readonly number[]): number | null {
    for (const row of rows) {
      const count = this.#count[row] as number;
      if (count === 0) continue;
      const sum = this.#sum[row] as number;
      switch ((this.#trie.rows[row] as CompiledRow).combine) {
        case "sum":
          return sum;
        case "mean":
          return sum / count;
        case "min":
          return this.#min[row] as number;
        default:
          return this.#max[row] as number;
      }
    }
    return null;
  }

  #info(rows: readonly number[], signal: LabelNumber): number | null {
    for (const row of rows) {
      const value = this.#infos[row]?.[signal];
      if (value !== undefined && value > 0) return value;
    }
    return null;
  }

  /** Returns the first engine with a sample of an identifying row, or else with a counter; undefined: there is none. */
  #recognise(): EngineRows | undefined {
    const { engines } = this.#trie;
    const sampled = (row: number) => this.#count[row] !== 0;
    return (
      engines.find(({ identifying }) => identifying.some(sampled)) ??
      engines.find(({ counting }) => counting.some(sampled))
    );
  }

  #reading(body: Buffer, recognised: EngineRows | undefined): Reading {
    const engine = recognised ?? (this.#trie.engines[0] as EngineRows);
    const { gauges, labels, adapters } = engine;
    return {
      engine: recognised?.name ?? null,
      waiting: this.#gauge(gauges.waiting),
      running: this.#gauge(gauges.running),
      kvUsage: this.#gauge(gauges.kvUsage),
      asleep: this.#gauge(gauges.awake) === 0,
      kvBlocks: this.#info(labels, "kvBlocks") ?? positive(this.#gauge(gauges.kvBlocks)),
      blockTokens: this.#info(labels, "blockTokens") ?? positive(this.#gauge(gauges.blockTokens)),
      offloadGiB: this.#info(labels, "offloadGiB"),
      cacheBytes: this.#info(labels, "cacheBytes"),
      counters: this.#counters(engine),
      adapters: adapters === undefined ? null : this.#adapters.read(body),
      samples: this.#samples,
      malformed: this.#malformed,
    };
  }
}

function positive(value: number | null): number | null {
  return value === 0 ? null : value;
}

function skipBlanks(body: Buffer, at: number): number {
  let p = at;
  while (body[p] === SPACE || body[p] === TAB) p++;
  return p;
}

/** Whether `name` stands at `at`. Names that begin alike differ at their ends, so the comparison begins there. */
function begins(body: Buffer, at: number, name: Buffer): boolean {
  for (let i = name.length - 1; i >= 0; i--) if (body[at + i] !== name[i]) return false;
  return true;
}

function equals(body: Buffer, from: number, to: number, text: Buffer): boolean {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (body[from + i] !== text[i]) return false;
  return true;
}
