// Builds small snapshots in memory, byte by byte as protocol/README.md draws them, without the code under test.

import { verify } from "../../../assembly/snapshot/verify";
import { newView, SnapshotView } from "../../../assembly/snapshot/view";
import {
  BYTE_CLASSES,
  DIRECTORY_ENTRY_BYTES,
  ENDPOINT_BYTES,
  ENDPOINT_PREFILL_RATE,
  ENDPOINT_STEP,
  HEADER_BYTES,
  MAGIC,
  MODEL_BYTES,
  MODEL_ENDPOINT_BYTES,
  OBJECTIVE_BYTES,
  POOL_BYTES,
  RULE_BYTES,
  SECTION_ENDPOINTS,
  SECTION_MODEL_ENDPOINTS,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_POOLS,
  SECTION_RULES,
  SECTION_STRINGS,
  SECTION_TOKENIZERS,
  TOKENIZER_BYTES,
  TOKENIZER_PER_BYTE,
  TOKENIZER_PER_REQUEST,
  UNKNOWN,
} from "../../../protocol/constants";

class Pod {
  flags: u16 = 1;
  waiting: u32 = 0;
  running: u32 = 0;
  kv: f32 = 0;
  age: u32 = 0;
  kvBlocks: u32 = 0;
  blockTokens: u32 = 0;
  maxLora: u16 = 0;
  prefillRate: f32 = 0;
  step: f32 = 0;
  constructor(public address: string) {}
}

class Model {
  kind: u16 = 0;
  base: u32 = UNKNOWN;
  /** An ADAPTER_ state for each endpoint; a missing state is 0. */
  states: u8[] = [];
  /** 1 + the index of the model's pool; 0: none. */
  pool: u32 = 0;
  constructor(
    public name: string,
    public endpoints: u32[],
  ) {}
}

class Objective {
  constructor(
    public name: string,
    public priority: i32,
    public pool: u32,
  ) {}
}

class RuleRecord {
  constructor(
    public name: string,
    public target: string,
    public weight: u32,
    public pool: u32,
    public flags: u16,
    public priority: i32,
  ) {}
}

class Tokenizer {
  constructor(
    public model: u32,
    public perRequest: f32,
    public perByte: f32[],
  ) {}
}

export class Builder {
  /** Names in the order of their bytes. All following lists must be in the order of their names too. */
  pools: string[] = [];
  objectives: Objective[] = [];
  rules: RuleRecord[] = [];
  version: u64 = 1700000000000000;
  pods: Pod[] = [];
  models: Model[] = [];
  tokenizers: Tokenizer[] = [];

  pod(address: string): Pod {
    const pod = new Pod(address);
    this.pods.push(pod);
    return pod;
  }

  /** Adds a base model, which is its own base. */
  model(name: string, endpoints: u32[]): Model {
    const model = new Model(name, endpoints);
    model.base = this.models.length;
    this.models.push(model);
    return model;
  }

  /** Adds the tokenizer of the model with this index. `perByte`: tokens a byte of each byte class. */
  tokenizer(model: u32, perRequest: f32, perByte: f32[]): void {
    this.tokenizers.push(new Tokenizer(model, perRequest, perByte));
  }

  objective(name: string, priority: i32, pool: u32): void {
    this.objectives.push(new Objective(name, priority, pool));
  }

  /** Adds a target of a rule. An empty name stands for any name. */
  rule(name: string, target: string, weight: u32, pool: u32, hasPriority: bool = false, priority: i32 = 0): void {
    this.rules.push(new RuleRecord(name, target, weight, pool, hasPriority ? 1 : 0, priority));
  }

  private objectStrings(): u32 {
    let bytes: u32 = 0;
    for (let i = 0; i < this.pools.length; i++) bytes += String.UTF8.byteLength(this.pools[i]);
    for (let i = 0; i < this.objectives.length; i++) bytes += String.UTF8.byteLength(this.objectives[i].name);
    for (let i = 0; i < this.rules.length; i++) {
      bytes += String.UTF8.byteLength(this.rules[i].name) + String.UTF8.byteLength(this.rules[i].target);
    }
    return bytes;
  }

  /** Bytes of the three optional sections; 0 if the snapshot has none of them. */
  private objectBytes(): u32 {
    const pools = this.pools.length * POOL_BYTES;
    return pools + this.objectives.length * OBJECTIVE_BYTES + this.rules.length * RULE_BYTES;
  }

  /** Adds `count` pods with addresses 10.<i>.<j>.<k>:8000 in the order of their bytes. */
  manyPods(count: u32): void {
    for (let i: u32 = 0; i < count; i++) this.pod(`10.${100 + i / 8100}.${10 + ((i / 90) % 90)}.${10 + (i % 90)}:8000`);
  }

  /** Builds the snapshot and returns its address. builtBytes has its length. */
  build(): usize {
    let links: u32 = 0;
    let strings: u32 = 0;
    for (let i = 0; i < this.pods.length; i++) strings += String.UTF8.byteLength(this.pods[i].address);
    for (let i = 0; i < this.models.length; i++) {
      strings += String.UTF8.byteLength(this.models[i].name);
      links += this.models[i].endpoints.length;
    }
    strings += this.objectStrings();
    const objects: u32 = this.objectBytes() > 0 ? 3 : 0;
    const sections: u32 = 4 + objects + (this.tokenizers.length > 0 ? 1 : 0);
    const endpointsAt = HEADER_BYTES + sections * DIRECTORY_ENTRY_BYTES;
    const modelsAt = endpointsAt + this.pods.length * ENDPOINT_BYTES;
    const linksAt = modelsAt + this.models.length * MODEL_BYTES;
    const objectsAt = linksAt + links * MODEL_ENDPOINT_BYTES;
    const tokenizersAt = objectsAt + this.objectBytes();
    const stringsAt = tokenizersAt + this.tokenizers.length * TOKENIZER_BYTES;
    const total = stringsAt + strings;
    const at = heap.alloc(total);
    memory.fill(at, 0, total);
    store<u32>(at, MAGIC);
    store<u16>(at, 1, 4);
    store<u32>(at, total, 8);
    store<u32>(at, sections, 12);
    store<u64>(at, this.version, 16);
    section(at, 0, SECTION_ENDPOINTS, ENDPOINT_BYTES, endpointsAt, this.pods.length);
    section(at, 1, SECTION_MODELS, MODEL_BYTES, modelsAt, this.models.length);
    section(at, 2, SECTION_MODEL_ENDPOINTS, MODEL_ENDPOINT_BYTES, linksAt, links);
    section(at, 3, SECTION_STRINGS, 1, stringsAt, strings);
    let text: u32 = 0;
    for (let i = 0; i < this.pods.length; i++) {
      const pod = this.pods[i];
      const record = at + endpointsAt + i * ENDPOINT_BYTES;
      const length = String.UTF8.byteLength(pod.address);
      String.UTF8.encodeUnsafe(changetype<usize>(pod.address), pod.address.length, at + stringsAt + text);
      store<u32>(record, text);
      store<u16>(record, <u16>length, 4);
      store<u16>(record, pod.flags, 6);
      store<u32>(record, pod.waiting, 8);
      store<u32>(record, pod.running, 12);
      store<f32>(record, pod.kv, 16);
      store<u32>(record, pod.age, 20);
      store<u32>(record, pod.kvBlocks, 24);
      store<u32>(record, pod.blockTokens, 28);
      store<u16>(record, pod.maxLora, 32);
      store<f32>(record, pod.prefillRate, ENDPOINT_PREFILL_RATE);
      store<f32>(record, pod.step, ENDPOINT_STEP);
      text += length;
    }
    let link: u32 = 0;
    for (let i = 0; i < this.models.length; i++) {
      const model = this.models[i];
      const record = at + modelsAt + i * MODEL_BYTES;
      const length = String.UTF8.byteLength(model.name);
      String.UTF8.encodeUnsafe(changetype<usize>(model.name), model.name.length, at + stringsAt + text);
      store<u32>(record, text);
      store<u16>(record, <u16>length, 4);
      store<u16>(record, model.kind, 6);
      store<u32>(record, model.base, 8);
      store<u32>(record, link, 12);
      store<u32>(record, model.endpoints.length, 16);
      store<u32>(record, model.pool, 24);
      for (let k = 0; k < model.endpoints.length; k++) {
        store<u32>(at + linksAt + (link + k) * MODEL_ENDPOINT_BYTES, model.endpoints[k]);
        if (k < model.states.length) store<u8>(at + linksAt + (link + k) * MODEL_ENDPOINT_BYTES, model.states[k], 4);
      }
      text += length;
      link += model.endpoints.length;
    }
    if (objects > 0) this.writeObjects(at, objectsAt, stringsAt, text);
    if (this.tokenizers.length > 0) this.writeTokenizers(at, 4 + objects, tokenizersAt);
    builtBytes = total;
    return at;
  }

  private writeObjects(at: usize, objectsAt: u32, stringsAt: u32, from: u32): void {
    const objectivesAt = objectsAt + this.pools.length * POOL_BYTES;
    const rulesAt = objectivesAt + this.objectives.length * OBJECTIVE_BYTES;
    section(at, 4, SECTION_POOLS, POOL_BYTES, objectsAt, this.pools.length);
    section(at, 5, SECTION_OBJECTIVES, OBJECTIVE_BYTES, objectivesAt, this.objectives.length);
    section(at, 6, SECTION_RULES, RULE_BYTES, rulesAt, this.rules.length);
    let text = from;
    for (let i = 0; i < this.pools.length; i++) {
      text = put(at + stringsAt, text, this.pools[i], at + objectsAt + i * POOL_BYTES);
    }
    for (let i = 0; i < this.objectives.length; i++) {
      const objective = this.objectives[i];
      const record = at + objectivesAt + i * OBJECTIVE_BYTES;
      text = put(at + stringsAt, text, objective.name, record);
      store<u32>(record, objective.pool, 8);
      store<i32>(record, objective.priority, 12);
    }
    for (let i = 0; i < this.rules.length; i++) {
      const rule = this.rules[i];
      const record = at + rulesAt + i * RULE_BYTES;
      text = put(at + stringsAt, text, rule.name, record);
      store<u16>(record, rule.flags, 6);
      text = put(at + stringsAt, text, rule.target, record + 8);
      store<u32>(record, rule.weight, 16);
      store<u32>(record, rule.pool, 20);
      store<i32>(record, rule.priority, 24);
    }
  }

  private writeTokenizers(at: usize, index: u32, tokenizersAt: u32): void {
    section(at, index, SECTION_TOKENIZERS, TOKENIZER_BYTES, tokenizersAt, this.tokenizers.length);
    for (let i = 0; i < this.tokenizers.length; i++) {
      const tokenizer = this.tokenizers[i];
      const record = at + tokenizersAt + i * TOKENIZER_BYTES;
      store<u32>(record, tokenizer.model);
      store<f32>(record, tokenizer.perRequest, TOKENIZER_PER_REQUEST);
      for (let k: u32 = 0; k < BYTE_CLASSES; k++) {
        store<f32>(record + k * 4, tokenizer.perByte[k], TOKENIZER_PER_BYTE);
      }
    }
  }

  view(): SnapshotView {
    const view = newView();
    const at = this.build();
    const rule = verify(view, at, builtBytes);
    if (rule != 0) throw new Error(`the builder made a snapshot that breaks rule ${rule}`);
    return view;
  }
}

export let builtBytes: u32 = 0;

/** Appends a text to STRINGS and writes its offset and length into a record. Returns the offset for the next text. */
function put(strings: usize, text: u32, value: string, record: usize): u32 {
  const length = String.UTF8.byteLength(value);
  String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, strings + text);
  store<u32>(record, text);
  store<u16>(record, <u16>length, 4);
  return text + length;
}

function section(at: usize, index: u32, kind: u32, stride: u32, offset: u32, records: u32): void {
  const entry = at + HEADER_BYTES + index * DIRECTORY_ENTRY_BYTES;
  store<u16>(entry, <u16>kind);
  store<u16>(entry, <u16>stride, 2);
  store<u32>(entry, offset, 4);
  store<u32>(entry, records, 8);
}

/** Copies a text's bytes into memory that stays, and returns their address. bytesLength has the length. */
export function bytesAt(text: string): usize {
  bytesLength = String.UTF8.byteLength(text);
  const at = heap.alloc(bytesLength + 1);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, at);
  return at;
}
export let bytesLength: u32 = 0;
