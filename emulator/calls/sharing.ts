// Host calls on shared data and shared queues.
import { Result } from "../codes.ts";
import type { Host } from "../contexts.ts";
import type { HostFunctions } from "./function.ts";

export function sharingCalls(host: Host): HostFunctions {
  const { memory, process } = host;
  return {
    proxy_get_shared_data(key: number, keyLength: number, valueAt: number, lengthAt: number, casAt: number) {
      const name = memory.text(key, keyLength, "proxy_get_shared_data");
      if (name === undefined) return Result.InvalidMemoryAccess;
      const found = process.shared.get(host.vmId, name);
      if (!found) return Result.NotFound;
      const result = memory.give(found.value, valueAt, lengthAt, "proxy_get_shared_data");
      if (result !== Result.Ok) return result;
      return memory.setWord(casAt, found.cas, "proxy_get_shared_data") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_set_shared_data(key: number, keyLength: number, value: number, length: number, cas: number) {
      const name = memory.text(key, keyLength, "proxy_set_shared_data");
      const bytes = memory.read(value, length, "proxy_set_shared_data");
      if (name === undefined || !bytes) return Result.InvalidMemoryAccess;
      return process.shared.set(host.vmId, name, bytes, cas);
    },
    proxy_register_shared_queue(name: number, length: number, tokenAt: number) {
      const text = memory.text(name, length, "proxy_register_shared_queue");
      if (text === undefined) return Result.InvalidMemoryAccess;
      const { context } = host;
      const token = process.queues.register(host, text, context.kind === "filter" ? context.root.id : context.id);
      return memory.setWord(tokenAt, token, "proxy_register_shared_queue") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_resolve_shared_queue(vmId: number, vmIdLength: number, name: number, length: number, tokenAt: number) {
      const owner = memory.text(vmId, vmIdLength, "proxy_resolve_shared_queue");
      const text = memory.text(name, length, "proxy_resolve_shared_queue");
      if (owner === undefined || text === undefined) return Result.InvalidMemoryAccess;
      const token = process.queues.resolve(owner === "" ? host.vmId : owner, text);
      if (token === undefined) return Result.NotFound;
      return memory.setWord(tokenAt, token, "proxy_resolve_shared_queue") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_enqueue_shared_queue(token: number, pointer: number, length: number) {
      const bytes = memory.read(pointer, length, "proxy_enqueue_shared_queue");
      return bytes ? process.queues.enqueue(token, bytes) : Result.InvalidMemoryAccess;
    },
    proxy_dequeue_shared_queue(token: number, valueAt: number, lengthAt: number) {
      const bytes = process.queues.dequeue(token);
      if (bytes === undefined) return Result.NotFound;
      if (bytes === null) return Result.Empty;
      return memory.give(bytes, valueAt, lengthAt, "proxy_dequeue_shared_queue");
    },
  };
}
