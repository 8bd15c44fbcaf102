// Three endpoints that serve a model, and the in-flight requests on them.
import type { Stream } from "../../../emulator/index.ts";
import { A, B, C, Gateway, routed, threePods } from "../../../testkit/filter/gateway.ts";

export function fed(workers = 1, configuration: object = {}): Gateway {
  const gateway = new Gateway({ workers, configuration });
  gateway.feed(threePods());
  return gateway;
}

export const NOBODY = { [A]: 0, [B]: 0, [C]: 0 };
export const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);
export const picked = (stream: Stream) => routed(stream.outcome).destination?.split(",")[0] as string;
