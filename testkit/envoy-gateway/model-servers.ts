// The models of the Envoy Gateway tests and the servers behind them.
import type { Pod } from "../../simulator/pod.ts";
import { type Echo, startEcho } from "../echo.ts";
import type { Models, Served } from "../envoy/filter-envoy.ts";
import { fastPod, SLOW } from "../fleet.ts";

export const GEMMA = "google/gemma-2b-it";
export const QWEN = "qwen";
export const SLOW_MODEL = "slow";
export const ADAPTER = "food-review-1";

export interface Pods {
  gemma: [Echo, Echo];
  qwen: Echo;
  slow: Pod;
}

export async function startPods(): Promise<Pods> {
  const [one, two, qwen] = await Promise.all([
    startEcho("gemma-1", [GEMMA]),
    startEcho("gemma-2", [GEMMA]),
    startEcho("qwen-1", [QWEN]),
  ]);
  return { gemma: [one, two], qwen, slow: await fastPod("slow-1", SLOW_MODEL, { params: SLOW }) };
}

export async function closePods(pods: Pods | undefined): Promise<void> {
  await Promise.all([...(pods?.gemma ?? []), pods?.qwen, pods?.slow].map((one) => one?.close()));
}

/** All models. `first`, `second` and `qwen` are the loads of gemma-1, gemma-2 and qwen-1. */
export function fleet(
  pods: Pods,
  first: Partial<Served> = {},
  second: Partial<Served> = {},
  qwen: Partial<Served> = {},
): Models {
  const on = [
    { address: pods.gemma[0].address, ...first },
    { address: pods.gemma[1].address, ...second },
  ];
  return {
    [GEMMA]: { on },
    [ADAPTER]: { on, base: GEMMA },
    [QWEN]: { on: [{ address: pods.qwen.address, ...qwen }] },
    [SLOW_MODEL]: { on: [{ address: pods.slow.address }] },
  };
}
