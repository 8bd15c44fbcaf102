// Writes envoy/local/envoy.yaml: `tsx envoy/local/generate.ts` (with --check it only compares, for tests and CI).
// The file is the generated configuration with fixed ports, so that it can be read, copied and run by hand.

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { SECRET_ENV } from "../../protocol/constants.ts";
import { type EnvoyConfigOptions, envoyYaml } from "../config.ts";

export const LOCAL_YAML = new URL("./envoy.yaml", import.meta.url);

export const localOptions: EnvoyConfigOptions = {
  port: 10000,
  adminPort: 9901,
  wasm: { file: "build/pilotfish.wasm", configuration: {}, hostEnvironment: [SECRET_ENV] },
  pools: [
    { name: "llama", models: ["llama-3.1-8b"], endpoints: ["127.0.0.1:8001", "127.0.0.1:8002"] },
    { name: "qwen", models: ["qwen-2.5-3b"], endpoints: ["127.0.0.1:8003"] },
  ],
  accessLog: {
    path: "stdout",
    format:
      "%START_TIME% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% model=%REQ(X-GATEWAY-MODEL-NAME)% pod=%UPSTREAM_HOST%",
  },
};

const HEADER = `# Pilotfish in a plain Envoy: two models on three pods, on this machine.
#
#   request -> wasm filter (reads the model, picks a pod) -> route by x-gateway-model-name -> override_host -> pod
#
# Run it from the project's root, with a secret of your own (16 characters or more), the same as the sidecar's:
#   ${SECRET_ENV}=change-me-to-your-own envoy -c envoy/local/envoy.yaml
# It serves on 127.0.0.1:10000, its admin is on 127.0.0.1:9901; the pods are expected on 127.0.0.1:8001 to 8003.
# Snapshots are POSTed by the sidecar to the same listener. Until the first one, Envoy balances by least_request.
#
# Written by envoy/local/generate.ts; a test holds both to each other.

`;

export function localYaml(): string {
  return HEADER + envoyYaml(localOptions);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes("--check")) {
    if ((await readFile(LOCAL_YAML, "utf8")) !== localYaml()) {
      console.error("envoy/local/envoy.yaml: expected the output of tsx envoy/local/generate.ts; run it and commit");
      process.exitCode = 1;
    }
  } else {
    await writeFile(LOCAL_YAML, localYaml());
  }
}
