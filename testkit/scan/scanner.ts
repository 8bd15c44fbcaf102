// Runs the JSON scanner without the filter, with any body and any splits. Windows are at the start or the end of the memory.
import { buildEntry, instantiate } from "./build-scanner.ts";

/** The same constants as in assembly/scan/block.ts. */
const SLACK = 64;
const STATUS_DONE = 1;
const STATUS_PAUSED = 2;

interface Exports {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  table: { readonly value: number };
  state: { readonly value: number };
  fieldsInit(table: number, maxDepth: number, flags: number): void;
  fieldsAdd(table: number, name: number, length: number, capacity: number, flags: number): number;
  fieldsStateBytes(table: number): number;
  fieldKind(state: number, index: number): number;
  fieldBytes(state: number, index: number): number;
  fieldLength(state: number, index: number): number;
  fieldStart(state: number, index: number): number;
  fieldEnd(state: number, index: number): number;
  jsonInit(state: number, table: number): void;
  jsonFeed(state: number, data: number, length: number, last: number): number;
  jsonStatus(state: number): number;
  jsonErrorOffset(state: number): number;
  jsonHashedPointer(state: number): number;
  jsonHashedLength(state: number): number;
  jsonOffset(state: number): number;
}

export interface Field {
  name: string;
  capacity: number;
  hashed?: boolean;
}

export interface Found {
  kind: number;
  /** The captured bytes as Latin-1, so that strings are equal exactly if the bytes are. */
  bytes: string;
  start: number;
  end: number;
}

export interface Outcome {
  /** 0, or the error's code. */
  code: number;
  /** Offset of the error; the body's length without an error. */
  offset: number;
  /** Empty if the body is refused. */
  fields: Found[];
  /** All bytes that the scanner reported as hashed, as Latin-1; one string per value. */
  hashed: string[];
}

/** The scanner's wasm, compiled with the release's flags and further flags of asc. */
export function build(flags: readonly string[] = []): Uint8Array {
  return buildEntry("json", flags);
}

export class Scanner {
  readonly wasm: Exports;
  readonly fields: readonly Field[];
  /** The end of the memory at which windows are. A read of one byte beyond the slack there traps. */
  place: "start" | "end" = "end";
  private readonly stateAt: number;
  private readonly tableAt: number;

  constructor(
    fields: readonly Field[],
    options: { maxDepth?: number; rejectDuplicates?: boolean; bytes?: Uint8Array } = {},
  ) {
    this.wasm = instantiate<Exports>(options.bytes ?? build());
    this.fields = fields;
    this.stateAt = this.wasm.state.value;
    this.tableAt = this.wasm.table.value;
    this.wasm.fieldsInit(this.tableAt, options.maxDepth ?? 0, options.rejectDuplicates ? 1 : 0);
    for (const field of fields) {
      const name = Buffer.from(field.name);
      this.memory().set(name, this.stateAt);
      this.wasm.fieldsAdd(this.tableAt, this.stateAt, name.length, field.capacity, field.hashed ? 1 : 0);
    }
  }

  memory(): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer);
  }

  stateBytes(): number {
    return this.wasm.fieldsStateBytes(this.tableAt);
  }

  /** Feeds the body cut at `cuts` (ascending offsets), and checks that the scanner keeps the contract of windows. */
  scan(body: Uint8Array, cuts: readonly number[] = []): Outcome {
    const { wasm } = this;
    const memory = this.memory();
    const stateEnd = this.stateAt + this.stateBytes();
    memory.fill(0xa5, this.stateAt, stateEnd + 16);
    wasm.jsonInit(this.stateAt, this.tableAt);
    const hashed: string[] = [];
    let open = "";
    let at = 0;
    for (let index = 0; index <= cuts.length; index++) {
      const last = index === cuts.length;
      const limit = last ? body.length : (cuts[index] as number);
      while (true) {
        const window = body.subarray(at, limit);
        const data = this.place === "start" ? SLACK : memory.length - SLACK - window.length;
        // The scanner must ignore the bytes around a window: quotes, lead bytes, digits and brackets, in turn.
        memory.fill([0x22, 0xe4, 0x31, 0x7d, 0x5c][at % 5] as number, data - SLACK, data);
        memory.fill(
          [0x22, 0x80, 0x31, 0x7d, 0x75][at % 5] as number,
          data + window.length,
          data + window.length + SLACK,
        );
        const around = memory.slice(data - SLACK, data + window.length + SLACK);
        around.set(window, SLACK);
        memory.set(window, data);
        const consumed = wasm.jsonFeed(this.stateAt, data, window.length, last ? 1 : 0);
        if (Buffer.compare(memory.subarray(data - SLACK, data + window.length + SLACK), around) !== 0) {
          throw new Error(`the scanner changed the window at ${at} or the bytes around the window`);
        }
        const status = wasm.jsonStatus(this.stateAt);
        const from = wasm.jsonHashedPointer(this.stateAt);
        open += Buffer.from(memory.subarray(from, from + wasm.jsonHashedLength(this.stateAt))).toString("latin1");
        at += consumed;
        if (status === STATUS_PAUSED) {
          hashed.push(open);
          open = "";
          continue;
        }
        if (memory[stateEnd] !== 0xa5) throw new Error("the state was overrun");
        if (status < 0) return { code: -status, offset: wasm.jsonErrorOffset(this.stateAt), fields: [], hashed: [] };
        if (status === STATUS_DONE) {
          return { code: 0, offset: at, fields: this.fields.map((_, index) => this.found(index)), hashed };
        }
        if (last) throw new Error("at the end of the body the scanner is neither done nor failed");
        if (limit - at > 11) throw new Error(`${limit - at} bytes are not consumed at ${at}`);
        break;
      }
    }
    throw new Error("unreachable");
  }

  private found(index: number): Found {
    const { wasm, stateAt } = this;
    const from = wasm.fieldBytes(stateAt, index);
    const bytes = Buffer.from(this.memory().subarray(from, from + wasm.fieldLength(stateAt, index))).toString("latin1");
    return {
      kind: wasm.fieldKind(stateAt, index),
      bytes,
      start: wasm.fieldStart(stateAt, index),
      end: wasm.fieldEnd(stateAt, index),
    };
  }
}
