import { environ_get, environ_sizes_get } from "./abi";

/** Returns the value of an environment variable of the VM (Envoy: vm_config.environment_variables); null: it is not set. */
export function environmentVariable(name: string): string | null {
  const sizes = heap.alloc(8);
  let found: string | null = null;
  if (environ_sizes_get(sizes, sizes + 4) == 0) {
    const count = load<u32>(sizes);
    const bytes = load<u32>(sizes, 4);
    const pointers = heap.alloc(count * 4 + 4);
    const texts = heap.alloc(bytes + 1);
    if (environ_get(pointers, texts) == 0) found = search(pointers, count, name + "=");
    heap.free(pointers);
    heap.free(texts);
  }
  heap.free(sizes);
  return found;
}

function search(pointers: usize, count: u32, prefix: string): string | null {
  for (let i: u32 = 0; i < count; i++) {
    const text = load<usize>(pointers + i * 4);
    let length: usize = 0;
    while (load<u8>(text + length)) length++;
    const entry = String.UTF8.decodeUnsafe(text, length);
    if (entry.startsWith(prefix)) return entry.substring(prefix.length);
  }
  return null;
}
