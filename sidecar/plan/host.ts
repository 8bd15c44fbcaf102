// As much of a proxy-wasm host as the filter needs to decide about one request after the other: one worker, no network, a clock
// that stands where it is told to. The filter is the very module that Envoy runs, so a plan is what Envoy would do.
import { randomFillSync } from "node:crypto";

type Header = [name: string, value: string];

const OK = 0;
const NOT_FOUND = 1;
const REQUEST_HEADERS = 0;
const REQUEST_BODY = 0;
const PLUGIN_CONFIGURATION = 7;
/** Continue, in a headers or body callback. */
const CONTINUE = 0;

export interface Decision {
  /** Headers as they went on; undefined: the filter answered, or holds the request back. */
  headers: Header[] | undefined;
  /** What the filter answered by itself. */
  reply: { status: number; body: string } | undefined;
  /** Filter state, such as pilotfish.reason. */
  state: Map<string, string>;
}

type Guest = Record<string, (...args: number[]) => number> & { memory: WebAssembly.Memory };

export class Host {
  readonly #guest: Guest;
  readonly #environment: Buffer[];
  readonly #shared = new Map<string, { value: Buffer; cas: number }>();
  readonly #metrics = new Map<string, { id: number; value: bigint }>();
  readonly #configuration: Buffer;
  readonly log: string[] = [];
  #now = BigInt(Date.now()) * 1_000_000n;
  #contexts = 1;
  #headers: Header[] = [];
  #body: Buffer = Buffer.alloc(0);
  #decision: Decision = { headers: undefined, reply: undefined, state: new Map() };

  /** Throws when the filter refuses the configuration; its sentence is the message. */
  constructor(module: WebAssembly.Module, configuration: string, environment: Record<string, string>) {
    this.#configuration = Buffer.from(configuration);
    this.#environment = Object.entries(environment).map(([name, value]) => Buffer.from(`${name}=${value}\0`));
    const instance = new WebAssembly.Instance(module, { env: this.#env(), wasi_snapshot_preview1: this.#wasi() });
    this.#guest = instance.exports as unknown as Guest;
    this.#call("_initialize");
    this.#call("proxy_on_context_create", 1, 0);
    this.#call("proxy_on_vm_start", 1, 0);
    if (this.#call("proxy_on_configure", 1, this.#configuration.length) === 0) {
      throw new Error(this.log.at(-1) ?? "the filter refuses the configuration");
    }
  }

  /** Time goes on, and the filter's tick comes. */
  advance(ms: number): void {
    this.#now += BigInt(ms) * 1_000_000n;
    this.#call("proxy_on_tick", 1);
  }

  /** Epoch, microseconds. */
  get epochMicros(): bigint {
    return this.#now / 1000n;
  }

  metric(name: string): bigint {
    return this.#metrics.get(name)?.value ?? 0n;
  }

  /** Sends a request through the filter and lets it end at once: nothing of it stays in the filter's counts. */
  send(headers: readonly Header[], body: Uint8Array): Decision {
    const id = ++this.#contexts;
    const decision: Decision = { headers: undefined, reply: undefined, state: new Map() };
    this.#decision = decision;
    this.#headers = headers.map(([name, value]) => [name.toLowerCase(), value]);
    this.#body = Buffer.from(body);
    this.#call("proxy_on_context_create", id, 1);
    let action = this.#call("proxy_on_request_headers", id, this.#headers.length, body.length === 0 ? 1 : 0);
    if (body.length > 0 && decision.reply === undefined)
      action = this.#call("proxy_on_request_body", id, body.length, 1);
    if (decision.reply === undefined && action === CONTINUE) decision.headers = this.#headers;
    this.#call("proxy_on_delete", id);
    return decision;
  }

  #call(name: string, ...args: number[]): number {
    const entry = this.#guest[name];
    return entry === undefined ? 0 : entry(...args);
  }

  #bytes(at: number, length: number): Buffer {
    return Buffer.from(new Uint8Array(this.#guest.memory.buffer, at, length));
  }

  #text(at: number, length: number): string {
    return this.#bytes(at, length).toString("utf8");
  }

  #store(at: number, value: number): void {
    new DataView(this.#guest.memory.buffer).setUint32(at, value, true);
  }

  /** Hands bytes over as the ABI does: memory of the guest's own, its place and length at two addresses. */
  #give(value: Uint8Array, pointerAt: number, lengthAt: number): number {
    const at = value.length === 0 ? 0 : this.#call("proxy_on_memory_allocate", value.length);
    new Uint8Array(this.#guest.memory.buffer).set(value, at);
    this.#store(pointerAt, at);
    this.#store(lengthAt, value.length);
    return OK;
  }

  #buffer(type: number): Buffer | undefined {
    if (type === PLUGIN_CONFIGURATION) return this.#configuration;
    return type === REQUEST_BODY ? this.#body : undefined;
  }

  #env(): Record<string, (...args: number[]) => number> {
    const named = (name: number, length: number) => this.#text(name, length).toLowerCase();
    return {
      proxy_log: (_level = 0, at = 0, length = 0) => {
        this.log.push(this.#text(at, length));
        return OK;
      },
      proxy_get_current_time_nanoseconds: (at = 0) => {
        new DataView(this.#guest.memory.buffer).setBigUint64(at, this.#now, true);
        return OK;
      },
      proxy_set_tick_period_milliseconds: () => OK,
      proxy_get_buffer_bytes: (type = 0, start = 0, length = 0, pointerAt = 0, lengthAt = 0) => {
        const buffer = this.#buffer(type);
        if (buffer === undefined || start >= buffer.length) return NOT_FOUND;
        return this.#give(buffer.subarray(start, start + length), pointerAt, lengthAt);
      },
      proxy_set_buffer_bytes: (type = 0, start = 0, length = 0, at = 0, size = 0) => {
        if (type !== REQUEST_BODY) return NOT_FOUND;
        this.#body = Buffer.concat([
          this.#body.subarray(0, start),
          this.#bytes(at, size),
          this.#body.subarray(start + length),
        ]);
        return OK;
      },
      proxy_get_header_map_value: (map = 0, name = 0, length = 0, pointerAt = 0, lengthAt = 0) => {
        const found = map === REQUEST_HEADERS && this.#headers.find(([known]) => known === named(name, length));
        return found ? this.#give(Buffer.from(found[1]), pointerAt, lengthAt) : NOT_FOUND;
      },
      proxy_get_header_map_pairs: (_map = 0, pointerAt = 0, lengthAt = 0) =>
        this.#give(serialized(this.#headers), pointerAt, lengthAt),
      proxy_get_header_map_size: (_map = 0, at = 0) => {
        this.#store(
          at,
          this.#headers.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0),
        );
        return OK;
      },
      proxy_replace_header_map_value: (_map = 0, name = 0, length = 0, value = 0, size = 0) => {
        const key = named(name, length);
        this.#headers = [...this.#headers.filter(([known]) => known !== key), [key, this.#text(value, size)]];
        return OK;
      },
      proxy_remove_header_map_value: (_map = 0, name = 0, length = 0) => {
        this.#headers = this.#headers.filter(([known]) => known !== named(name, length));
        return OK;
      },
      proxy_send_local_response: (status = 0, _d = 0, _dl = 0, body = 0, length = 0) => {
        this.#decision.reply = { status, body: this.#text(body, length) };
        return OK;
      },
      proxy_get_property: () => NOT_FOUND,
      proxy_set_property: (name = 0, length = 0, value = 0, size = 0) => {
        this.#decision.state.set(this.#text(name, length), this.#text(value, size));
        return OK;
      },
      proxy_get_shared_data: (key = 0, length = 0, pointerAt = 0, lengthAt = 0, casAt = 0) => {
        const found = this.#shared.get(this.#text(key, length));
        if (found === undefined) return NOT_FOUND;
        this.#store(casAt, found.cas);
        return this.#give(found.value, pointerAt, lengthAt);
      },
      proxy_set_shared_data: (key = 0, length = 0, value = 0, size = 0) => {
        const name = this.#text(key, length);
        const cas = (this.#shared.get(name)?.cas ?? 0) + 1;
        this.#shared.set(name, { value: this.#bytes(value, size), cas });
        return OK;
      },
      proxy_define_metric: (_type = 0, name = 0, length = 0, at = 0) => {
        const text = this.#text(name, length);
        const known = this.#metrics.get(text) ?? { id: this.#metrics.size + 1, value: 0n };
        this.#metrics.set(text, known);
        this.#store(at, known.id);
        return OK;
      },
      proxy_increment_metric: (...args: number[]) => {
        const [id, by] = args as unknown as [number, bigint];
        for (const metric of this.#metrics.values()) if (metric.id === id) metric.value += by;
        return OK;
      },
      proxy_record_metric: () => OK,
      proxy_get_metric: () => NOT_FOUND,
      proxy_set_effective_context: () => OK,
      proxy_continue_stream: () => OK,
      proxy_register_shared_queue: () => NOT_FOUND,
      proxy_enqueue_shared_queue: () => NOT_FOUND,
      proxy_dequeue_shared_queue: () => NOT_FOUND,
    };
  }

  #wasi(): Record<string, (...args: number[]) => number> {
    return {
      random_get: (at = 0, length = 0) => {
        randomFillSync(new Uint8Array(this.#guest.memory.buffer, at, length));
        return 0;
      },
      environ_sizes_get: (countAt = 0, bytesAt = 0) => {
        this.#store(countAt, this.#environment.length);
        this.#store(
          bytesAt,
          this.#environment.reduce((sum, entry) => sum + entry.length, 0),
        );
        return 0;
      },
      environ_get: (listAt = 0, bytesAt = 0) => {
        let at = bytesAt;
        for (const [i, entry] of this.#environment.entries()) {
          this.#store(listAt + i * 4, at);
          new Uint8Array(this.#guest.memory.buffer).set(entry, at);
          at += entry.length;
        }
        return 0;
      },
    };
  }
}

/** u32 count, the lengths of each name and value, then each with a NUL behind it. */
function serialized(headers: readonly Header[]): Buffer {
  const texts = headers.flat().map((text) => Buffer.from(text));
  const head = Buffer.alloc(4 + texts.length * 4);
  head.writeUInt32LE(headers.length, 0);
  for (const [i, text] of texts.entries()) head.writeUInt32LE(text.length, 4 + i * 4);
  return Buffer.concat([head, ...texts.flatMap((text) => [text, Buffer.alloc(1)])]);
}
