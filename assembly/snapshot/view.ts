// Accessors of a verified snapshot, in place: nothing is decoded, every read is a load at a known offset. The layout
// is drawn in protocol/README.md. Indexes are not checked here: verify.ts has seen every one of them.
import {
  ENDPOINT_ADDRESS_LENGTH,
  ENDPOINT_ADDRESS_OFFSET,
  ENDPOINT_FLAGS,
  ENDPOINT_KV_USAGE,
  ENDPOINT_RUNNING,
  ENDPOINT_SCRAPE_AGE,
  ENDPOINT_WAITING,
  HEADER_SOURCE,
  HEADER_VERSION,
  MODEL_BASE,
  MODEL_COUNT,
  MODEL_ENDPOINT_INDEX,
  MODEL_FIRST,
  MODEL_KIND,
  MODEL_NAME_LENGTH,
  MODEL_NAME_OFFSET,
} from "../../protocol/constants";

export const NONE: u32 = 0xffffffff;

@unmanaged
export class SnapshotView {
  base: usize = 0;
  bytes: u32 = 0;
  strings: usize = 0;
  stringBytes: u32 = 0;
  endpoints: usize = 0;
  endpointCount: u32 = 0;
  endpointStride: u32 = 0;
  models: usize = 0;
  modelCount: u32 = 0;
  modelStride: u32 = 0;
  links: usize = 0;
  linkCount: u32 = 0;
  linkStride: u32 = 0;

  get version(): u64 {
    return load<u64>(this.base, HEADER_VERSION);
  }
  get source(): u64 {
    return load<u64>(this.base, HEADER_SOURCE);
  }

  endpoint(index: u32): usize {
    return this.endpoints + index * this.endpointStride;
  }
  address(index: u32): usize {
    return this.strings + load<u32>(this.endpoint(index), ENDPOINT_ADDRESS_OFFSET);
  }
  addressLength(index: u32): u32 {
    return load<u16>(this.endpoint(index), ENDPOINT_ADDRESS_LENGTH);
  }
  flags(index: u32): u32 {
    return load<u16>(this.endpoint(index), ENDPOINT_FLAGS);
  }
  waiting(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_WAITING);
  }
  running(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_RUNNING);
  }
  kvUsage(index: u32): f32 {
    return load<f32>(this.endpoint(index), ENDPOINT_KV_USAGE);
  }
  scrapeAge(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_SCRAPE_AGE);
  }

  model(index: u32): usize {
    return this.models + index * this.modelStride;
  }
  modelName(index: u32): usize {
    return this.strings + load<u32>(this.model(index), MODEL_NAME_OFFSET);
  }
  modelNameLength(index: u32): u32 {
    return load<u16>(this.model(index), MODEL_NAME_LENGTH);
  }
  modelKind(index: u32): u32 {
    return load<u16>(this.model(index), MODEL_KIND);
  }
  /** Index of the base model; NONE when it is not known. */
  modelBase(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_BASE);
  }
  modelFirst(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_FIRST);
  }
  modelEndpoints(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_COUNT);
  }
  /** Endpoint of a model's link record; `link` counts from the section's start. */
  linkEndpoint(link: u32): u32 {
    return load<u32>(this.links + link * this.linkStride, MODEL_ENDPOINT_INDEX);
  }
}

export function newView(): SnapshotView {
  const pointer = heap.alloc(offsetof<SnapshotView>());
  memory.fill(pointer, 0, offsetof<SnapshotView>());
  return changetype<SnapshotView>(pointer);
}

/** Bytes compared as unsigned, the shorter first when one begins the other: < 0, 0 or > 0. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const common = aLength < bLength ? aLength : bLength;
  const order = memory.compare(a, b, common);
  return order != 0 ? order : <i32>aLength - <i32>bLength;
}
