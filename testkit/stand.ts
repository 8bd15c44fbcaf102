// One Envoy in front of one echo that serves every model, which suffices to test most of the filter's configuration.
import type { JsonObject } from "../envoy/json.ts";
import { type Echo, startEcho } from "./echo.ts";
import { type GatewayConfig, type Models, startGateway } from "./envoy/filter-envoy.ts";
import type { TestEnvoy } from "./envoy/test-envoy.ts";

export interface Stand {
  envoy: TestEnvoy;
  echo: Echo;
}

const closing: (() => Promise<void>)[] = [];

/** Closes all stands, and runs the functions that were given to atEnd(), newest first. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

export function atEnd(close: () => Promise<void>): void {
  closing.push(close);
}

/** Starts an Envoy and an echo. Requests without a model reach the echo too. */
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

/** A snapshot of two models and an adapter, all on the echo. */
export function snapshot(echo: Echo): Models {
  return { llama: { on: [echo] }, qwen: { on: [echo] }, sql: { on: [echo], base: "llama" } };
}
