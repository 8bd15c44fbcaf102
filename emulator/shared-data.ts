// Shared data (`proxy_get_shared_data`, `proxy_set_shared_data`): one map for each vm_id.
import { Result } from "./codes.ts";

interface SharedValue {
  value: Buffer;
  cas: number;
}

export class SharedData {
  readonly #maps = new Map<string, Map<string, SharedValue>>();
  #nextCas = 1;

  get(vmId: string, key: string): SharedValue | undefined {
    return this.#maps.get(vmId)?.get(key);
  }

  /** Writes a value. As in Envoy, cas 0 always writes, and a key that does not exist accepts any cas. Returns a result code. */
  set(vmId: string, key: string, value: Uint8Array, cas = 0): number {
    let map = this.#maps.get(vmId);
    if (!map) {
      map = new Map();
      this.#maps.set(vmId, map);
    }
    const found = map.get(key);
    if (found && cas !== 0 && cas !== found.cas) return Result.CasMismatch;
    map.set(key, { value: Buffer.from(value), cas: this.#nextCas++ });
    return Result.Ok;
  }

  keys(vmId: string): string[] {
    return [...(this.#maps.get(vmId)?.keys() ?? [])];
  }

  forget(vmId: string): void {
    this.#maps.delete(vmId);
  }
}
