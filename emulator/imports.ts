// The imports that Envoy registers for a module of ABI 0.2.1. Another name makes instantiation fail, with that name.
import { HostViolation, Result } from "./codes.ts";
import { bodyImports } from "./imports-body.ts";
import { headerImports } from "./imports-headers.ts";
import { streamImports } from "./imports-stream.ts";
import { wasiImports } from "./imports-wasi.ts";
import type { MetricType } from "./process.ts";
import type { Vm } from "./vm.ts";

// biome-ignore lint/suspicious/noExplicitAny: the guest passes i32 as number and i64 as bigint
export type HostFunction = (...args: any[]) => number | undefined;
export type HostFunctions = Record<string, HostFunction>;

/** All that Envoy lets a module call before its first context exists. */
export const INITIALIZE_ALLOWED = new Set(
  (
    "proxy_log proxy_get_log_level fd_write args_sizes_get args_get environ_sizes_get environ_get clock_time_get " +
    "clock_res_get random_get fd_fdstat_get"
  ).split(" "),
);

export function imports(vm: Vm, module: WebAssembly.Module): WebAssembly.Imports {
  const wasi = wasiImports(vm);
  const known: Record<string, HostFunctions> = {
    env: { ...generalImports(vm), ...headerImports(vm), ...bodyImports(vm), ...streamImports(vm) },
    wasi_snapshot_preview1: wasi,
    wasi_unstable: wasi,
  };
  const given: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const implementation = known[from]?.[name];
    if (!implementation || kind !== "function") {
      throw new HostViolation(`the module imports ${from}.${name}, which Envoy does not offer to ABI 0.2.1`);
    }
    given[from] ??= {};
    given[from][name] = (...args: unknown[]) => {
      vm.count(name);
      return implementation(...args.map((arg) => (typeof arg === "number" ? arg >>> 0 : arg)));
    };
  }
  return given;
}

const METRIC_TYPES: MetricType[] = ["counter", "gauge", "histogram"];

function generalImports(vm: Vm): HostFunctions {
  const { guest, process } = vm;
  return {
    proxy_log(level: number, pointer: number, length: number) {
      if (level > 5) return vm.refuse(Result.BadArgument, `proxy_log: level ${level}; expected 0 to 5`);
      const text = guest.text(pointer, length, "proxy_log");
      if (text === undefined) return Result.InvalidMemoryAccess;
      vm.log(level, text);
      return Result.Ok;
    },
    proxy_get_log_level(at: number) {
      return guest.setWord(at, 2, "proxy_get_log_level") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_get_current_time_nanoseconds(at: number) {
      const done = guest.setWord64(at, process.now, "proxy_get_current_time_nanoseconds");
      return done ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_define_metric(type: number, pointer: number, length: number, at: number) {
      const name = guest.text(pointer, length, "proxy_define_metric");
      if (name === undefined) return Result.InvalidMemoryAccess;
      const kind = METRIC_TYPES[type];
      if (!kind) return vm.refuse(Result.BadArgument, `proxy_define_metric: type ${type}; expected 0, 1 or 2`);
      // Envoy's ids: the type in the two low bits, the first of each type is number 1.
      const id = (vm.metricIds.size + 1) * 4 + type;
      vm.metricIds.set(id, process.defineMetric(kind, name));
      return guest.setWord(at, id, "proxy_define_metric") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_increment_metric(id: number, offset: bigint) {
      const metric = vm.metricIds.get(id);
      if (!metric) return vm.refuse(Result.NotFound, `proxy_increment_metric: no metric has the id ${id}`);
      if (metric.type === "histogram" || (metric.type === "counter" && offset <= 0n)) {
        return vm.refuse(
          Result.BadArgument,
          `proxy_increment_metric: the ${metric.type} ${metric.name} cannot be changed by ${offset}`,
        );
      }
      if (metric.value + offset < 0n) {
        return vm.refuse(Result.Ok, `proxy_increment_metric: the gauge ${metric.name} would fall below 0`);
      }
      metric.value += offset;
      return Result.Ok;
    },
    proxy_record_metric(id: number, value: bigint) {
      const metric = vm.metricIds.get(id);
      if (!metric) return vm.refuse(Result.NotFound, `proxy_record_metric: no metric has the id ${id}`);
      const unsigned = BigInt.asUintN(64, value);
      if (metric.type === "histogram") metric.samples.push(unsigned);
      else metric.value = metric.type === "counter" ? metric.value + unsigned : unsigned;
      return Result.Ok;
    },
    proxy_get_metric(id: number, at: number) {
      const metric = vm.metricIds.get(id);
      if (!metric || metric.type === "histogram") {
        return vm.refuse(Result.NotFound, `proxy_get_metric: no counter or gauge has the id ${id}`);
      }
      return guest.setWord64(at, metric.value, "proxy_get_metric") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_get_shared_data(key: number, keyLength: number, valueAt: number, lengthAt: number, casAt: number) {
      const name = guest.text(key, keyLength, "proxy_get_shared_data");
      if (name === undefined) return Result.InvalidMemoryAccess;
      const found = process.getShared(vm.vmId, name);
      if (!found) return Result.NotFound;
      const result = guest.give(found.value, valueAt, lengthAt, "proxy_get_shared_data");
      if (result !== Result.Ok) return result;
      return guest.setWord(casAt, found.cas, "proxy_get_shared_data") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_set_shared_data(key: number, keyLength: number, value: number, length: number, cas: number) {
      const name = guest.text(key, keyLength, "proxy_set_shared_data");
      const bytes = guest.read(value, length, "proxy_set_shared_data");
      if (name === undefined || !bytes) return Result.InvalidMemoryAccess;
      return process.setShared(vm.vmId, name, bytes, cas);
    },
    proxy_register_shared_queue(name: number, length: number, tokenAt: number) {
      const text = guest.text(name, length, "proxy_register_shared_queue");
      if (text === undefined) return Result.InvalidMemoryAccess;
      const { context } = vm;
      const token = process.registerQueue(vm, text, "root" in context ? context.root.id : context.id);
      return guest.setWord(tokenAt, token, "proxy_register_shared_queue") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_resolve_shared_queue(vmId: number, vmIdLength: number, name: number, length: number, tokenAt: number) {
      const owner = guest.text(vmId, vmIdLength, "proxy_resolve_shared_queue");
      const text = guest.text(name, length, "proxy_resolve_shared_queue");
      if (owner === undefined || text === undefined) return Result.InvalidMemoryAccess;
      const token = process.resolveQueue(owner === "" ? vm.vmId : owner, text);
      if (token === undefined) return Result.NotFound;
      return guest.setWord(tokenAt, token, "proxy_resolve_shared_queue") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_enqueue_shared_queue(token: number, pointer: number, length: number) {
      const bytes = guest.read(pointer, length, "proxy_enqueue_shared_queue");
      return bytes ? process.enqueue(token, bytes) : Result.InvalidMemoryAccess;
    },
    proxy_dequeue_shared_queue(token: number, valueAt: number, lengthAt: number) {
      const bytes = process.dequeue(token);
      if (bytes === undefined) return Result.NotFound;
      if (bytes === null) return Result.Empty;
      return guest.give(bytes, valueAt, lengthAt, "proxy_dequeue_shared_queue");
    },
    emscripten_notify_memory_growth: () => undefined,
  };
}
