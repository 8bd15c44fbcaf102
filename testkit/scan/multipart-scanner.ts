// Runs the multipart scanner without the filter, with any body and any splits. Windows are at the start or the end of the memory,
// so that a read beyond the slack traps.
import { buildEntry, instantiate } from "./build-scanner.ts";

/** The same constants as in assembly/scan/block.ts. */
const SLACK = 64;
const WINDOW = 65536;
/** At most this many bytes of header lines may wait for the next window. */
const MAX_WAITING = 8193;

interface Exports {
  memory: { readonly buffer: ArrayBuffer };
  state: { readonly value: number };
  stateBytes: { readonly value: number };
  multipartInit(state: number, contentType: number, length: number): number;
  multipartFeed(state: number, data: number, length: number, last: number): number;
  multipartStatus(state: number): number;
  multipartErrorOffset(state: number): number;
  multipartSentence(code: number): number;
  multipartKind(state: number): number;
  multipartValue(state: number): number;
  multipartValueLength(state: number): number;
  multipartValueStart(state: number): number;
  multipartValueEnd(state: number): number;
  multipartFirst(state: number): number;
}

export interface Form {
  /** 0, or the error's code. After an error all other fields except `offset` are zero. */
  code: number;
  offset: number;
  kind: number;
  /** The bytes as Latin-1. */
  value: string;
  start: number;
  end: number;
  first: number;
}

export const refused = (code: number, offset: number): Form => ({
  code,
  offset,
  kind: 0,
  value: "",
  start: 0,
  end: 0,
  first: 0,
});

export class FormScanner {
  readonly wasm: Exports;
  place: "start" | "end" = "end";
  private readonly state: number;

  constructor() {
    this.wasm = instantiate<Exports>(buildEntry("multipart"));
    this.state = this.wasm.state.value;
  }

  memory(): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer);
  }

  sentence(code: number): string {
    const at = this.wasm.multipartSentence(code);
    const length = new DataView(this.wasm.memory.buffer).getUint32(at - 4, true);
    return Buffer.from(this.memory().subarray(at, at + length)).toString("utf16le");
  }

  /** Feeds the body cut at `cuts` (ascending offsets). */
  scan(contentType: string, body: Uint8Array, cuts: readonly number[] = []): Form {
    const chunks: Uint8Array[] = [];
    let at = 0;
    for (const cut of [...cuts, body.length]) {
      chunks.push(body.subarray(at, cut));
      at = cut;
    }
    return this.stream(contentType, chunks);
  }

  /** Feeds chunks as a filter does, in windows of at most 64 KiB, and checks that the scanner keeps the contract of windows. */
  stream(contentType: string, chunks: Iterable<Uint8Array>): Form {
    const { wasm, state } = this;
    const memory = this.memory();
    const stateEnd = state + wasm.stateBytes.value;
    memory.fill(0xa5, state, stateEnd + 16);
    const type = Buffer.from(contentType, "latin1");
    memory.set(type, this.at(type.length));
    if (!wasm.multipartInit(state, this.at(type.length), type.length)) return this.result();
    let left: Uint8Array = new Uint8Array(0);
    let previous: Uint8Array | undefined;
    for (const chunk of withEnd(chunksOf(chunks))) {
      if (previous !== undefined) {
        const window = Buffer.concat([left, previous]);
        const data = this.at(window.length);
        // The scanner must ignore the bytes around a window: line ends, hyphens and hostile delimiters, in turn.
        const around = ["\r\n--x", "-", "\n", "x--\r\n", "\r"][window.length % 5] as string;
        fill(memory, around, data - SLACK, data);
        memory.set(window, data);
        fill(memory, around, data + window.length, data + window.length + SLACK);
        const consumed = wasm.multipartFeed(state, data, window.length, chunk === undefined ? 1 : 0);
        if (Buffer.compare(window, memory.subarray(data, data + window.length)) !== 0)
          throw new Error("the window changed");
        if (memory[stateEnd] !== 0xa5) throw new Error("the state was overrun");
        if (consumed > window.length) throw new Error("the scanner consumed more bytes than the window has");
        if (wasm.multipartStatus(state) < 0) return this.result();
        left = window.subarray(consumed);
        if (left.length > MAX_WAITING) throw new Error(`${left.length} bytes wait for the next window`);
      }
      previous = chunk;
    }
    if (wasm.multipartStatus(state) !== 1 || left.length > 0)
      throw new Error("at the end of the body the scanner is neither done nor failed");
    return this.result();
  }

  private at(length: number): number {
    return this.place === "start" ? SLACK : this.memory().length - SLACK - length;
  }

  private result(): Form {
    const { wasm, state } = this;
    const status = wasm.multipartStatus(state);
    if (status < 0) return refused(-status, wasm.multipartErrorOffset(state));
    const from = wasm.multipartValue(state);
    const value = this.memory().subarray(from, from + wasm.multipartValueLength(state));
    return {
      code: 0,
      offset: 0,
      kind: wasm.multipartKind(state),
      value: Buffer.from(value).toString("latin1"),
      start: wasm.multipartValueStart(state),
      end: wasm.multipartValueEnd(state),
      first: wasm.multipartFirst(state),
    };
  }
}

/** Fills the memory from `from` to `to` with repetitions of a text. */
function fill(memory: Uint8Array, text: string, from: number, to: number): void {
  Buffer.from(memory.buffer, from, to - from).fill(text);
}

function* chunksOf(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  const step = WINDOW - MAX_WAITING;
  for (const chunk of chunks) {
    if (chunk.length <= step) yield chunk;
    else for (let at = 0; at < chunk.length; at += step) yield chunk.subarray(at, at + step);
  }
}

function* withEnd<T>(items: Iterable<T>): Generator<T | undefined> {
  yield* items;
  yield undefined;
}
