// The functions of WASI that Envoy implements.

import type { Host } from "../contexts.ts";
import type { HostFunctions } from "./function.ts";

const FAULT = 21;
const INVALID = 28;
const NOT_SUPPORTED = 58;
const BAD_DESCRIPTOR = 8;
const MAX_RANDOM_BYTES = 65536;

export function wasiCalls(host: Host): HostFunctions {
  const { memory } = host;
  const entries = () => Object.entries(host.environment).map(([name, value]) => Buffer.from(`${name}=${value}\0`));
  return {
    environ_sizes_get(countAt: number, bytesAt: number) {
      const all = entries();
      const bytes = all.reduce((sum, entry) => sum + entry.length, 0);
      const done = memory.setWord(countAt, all.length, "environ_sizes_get");
      return done && memory.setWord(bytesAt, bytes, "environ_sizes_get") ? 0 : FAULT;
    },
    environ_get(pointersAt: number, bytesAt: number) {
      let pointer = pointersAt;
      let text = bytesAt;
      for (const entry of entries()) {
        if (!memory.setWord(pointer, text, "environ_get") || !memory.write(text, entry, "environ_get")) return FAULT;
        pointer += 4;
        text += entry.length;
      }
      return 0;
    },
    random_get(at: number, length: number) {
      if (length > MAX_RANDOM_BYTES) return INVALID;
      return memory.write(at, host.process.random(length), "random_get") ? 0 : FAULT;
    },
    clock_time_get(clock: number, _precision: bigint, at: number) {
      if (clock > 1) return NOT_SUPPORTED;
      const time = clock === 0 ? host.process.now : host.process.now - host.process.started;
      return memory.setWord64(at, time, "clock_time_get") ? 0 : FAULT;
    },
    fd_write(descriptor: number, vectors: number, count: number, writtenAt: number) {
      if (descriptor !== 1 && descriptor !== 2) return BAD_DESCRIPTOR;
      const list = memory.read(vectors, count * 8, "fd_write");
      if (!list) return FAULT;
      const parts: Buffer[] = [];
      for (let index = 0; index < count; index++) {
        const part = memory.read(list.readUInt32LE(index * 8), list.readUInt32LE(index * 8 + 4), "fd_write");
        if (!part) return FAULT;
        parts.push(part);
      }
      const text = Buffer.concat(parts);
      if (text.length > 0) host.log(descriptor === 1 ? 2 : 4, text.toString("utf8").replace(/\n$/, ""));
      return memory.setWord(writtenAt, text.length, "fd_write") ? 0 : FAULT;
    },
    args_sizes_get(countAt: number, bytesAt: number) {
      return memory.setWord(countAt, 0, "args_sizes_get") && memory.setWord(bytesAt, 0, "args_sizes_get") ? 0 : FAULT;
    },
    args_get: () => 0,
    sched_yield: () => 0,
    proc_exit() {
      host.refuse(0, "proc_exit: Envoy logs an error and returns into the module");
      return undefined;
    },
  };
}
