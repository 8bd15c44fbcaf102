// Host calls for the log, the clock and metrics.
import { Result } from "../codes.ts";
import type { Host } from "../contexts.ts";
import type { MetricType } from "../metric-store.ts";
import type { HostFunctions } from "./function.ts";

const METRIC_TYPES: MetricType[] = ["counter", "gauge", "histogram"];

export function generalCalls(host: Host): HostFunctions {
  const { memory, process } = host;
  return {
    proxy_log(level: number, pointer: number, length: number) {
      if (level > 5) return host.refuse(Result.BadArgument, `proxy_log: level ${level}; expected 0 to 5`);
      const text = memory.text(pointer, length, "proxy_log");
      if (text === undefined) return Result.InvalidMemoryAccess;
      host.log(level, text);
      return Result.Ok;
    },
    proxy_get_log_level(at: number) {
      return memory.setWord(at, 2, "proxy_get_log_level") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_get_current_time_nanoseconds(at: number) {
      const done = memory.setWord64(at, process.now, "proxy_get_current_time_nanoseconds");
      return done ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_define_metric(type: number, pointer: number, length: number, at: number) {
      const name = memory.text(pointer, length, "proxy_define_metric");
      if (name === undefined) return Result.InvalidMemoryAccess;
      const kind = METRIC_TYPES[type];
      if (!kind) return host.refuse(Result.BadArgument, `proxy_define_metric: type ${type}; expected 0, 1 or 2`);
      // The two low bits of an id are the metric's type, as in Envoy. All types share one sequence of numbers, which begins
      // at 1.
      const id = (host.metricIds.size + 1) * 4 + type;
      host.metricIds.set(id, process.metrics.define(kind, name));
      return memory.setWord(at, id, "proxy_define_metric") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    proxy_increment_metric(id: number, offset: bigint) {
      const metric = host.metricIds.get(id);
      if (!metric) return host.refuse(Result.NotFound, `proxy_increment_metric: no metric has the id ${id}`);
      if (metric.type === "histogram" || (metric.type === "counter" && offset <= 0n)) {
        return host.refuse(
          Result.BadArgument,
          `proxy_increment_metric: the ${metric.type} ${metric.name} cannot be changed by ${offset}`,
        );
      }
      if (metric.value + offset < 0n) {
        return host.refuse(Result.Ok, `proxy_increment_metric: the gauge ${metric.name} would fall below 0`);
      }
      metric.value += offset;
      return Result.Ok;
    },
    proxy_record_metric(id: number, value: bigint) {
      const metric = host.metricIds.get(id);
      if (!metric) return host.refuse(Result.NotFound, `proxy_record_metric: no metric has the id ${id}`);
      const unsigned = BigInt.asUintN(64, value);
      if (metric.type === "histogram") metric.samples.push(unsigned);
      else metric.value = metric.type === "counter" ? metric.value + unsigned : unsigned;
      return Result.Ok;
    },
    proxy_get_metric(id: number, at: number) {
      const metric = host.metricIds.get(id);
      if (!metric || metric.type === "histogram") {
        return host.refuse(Result.NotFound, `proxy_get_metric: no counter or gauge has the id ${id}`);
      }
      return memory.setWord64(at, metric.value, "proxy_get_metric") ? Result.Ok : Result.InvalidMemoryAccess;
    },
    emscripten_notify_memory_growth: () => undefined,
  };
}
