// One Envoy before one echo that serves every model: what most of the filter's configuration needs to be seen.
import type { JsonObject } from "../envoy/json.ts";
import { type Echo, startEcho } from "./echo.ts";
import { type GatewayConfig, type Models, startGateway } from "./envoy/filter-envoy.ts";
import type { TestEnvoy } from "./envoy/test-envoy.ts";

export interface Stand {
  envoy: TestEnvoy;
  echo: Echo;
}

const closing: (() => Promise<void>)[] = [];

/** Ends what was started here, and what else was given to atEnd(), newest first. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

export function atEnd(close: () => Promise<void>): void {
  closing.push(close);
}

/** Requests without a model reach the echo too. */
export async function stand(
  filter: JsonObject,
  models: readonly string[] = ["llama", "qwen"],
  more: Partial<GatewayConfig> = {},
): Promise<Stand> {
  const echo = await startEcho("echo-1");
  atEnd(() => echo.close());
  const pools = [{ name: "echo", models, endpoints: [echo.address] }];
  const envoy = await startGateway({ pools, filter, defaultPool: "echo", ...more });
  atEnd(() => envoy.close());
  return { envoy, echo };
}

/** Two models and an adapter, all on the echo. */
export function snapshot(echo: Echo): Models {
  return { llama: { on: [echo] }, qwen: { on: [echo] }, sql: { on: [echo], base: "llama" } };
}
