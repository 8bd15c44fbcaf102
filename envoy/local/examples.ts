// The example configurations of this folder. Each example has a head with its purpose and commands, and options from which
// generate.ts writes the rest of the file.

import { MODEL_HEADER, SECRET_ENV } from "../../protocol/constants.ts";
import type { EnvoyConfigOptions } from "../config.ts";
import { type WasmOptions, wasmFilter } from "../filters.ts";
import type { JsonObject } from "../json.ts";
import { DEFAULT_VERSION } from "../versions.ts";

export interface Example {
  /** File name in this folder. */
  file: string;
  header: string;
  options: EnvoyConfigOptions;
}

const MODULE = "build/pilotfish.wasm";
const LLAMA = "llama-3.1-8b";
const QWEN = "qwen-2.5-3b";
const ACCESS_LOG =
  "%START_TIME% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% model=%REQ(X-GATEWAY-MODEL-NAME)% pod=%UPSTREAM_HOST%";
const POOLS = [
  { name: "llama", models: [LLAMA], endpoints: ["127.0.0.1:8001", "127.0.0.1:8002"] },
  { name: "qwen", models: [QWEN], endpoints: ["127.0.0.1:8003"] },
];
const BASE: EnvoyConfigOptions = {
  port: 10000,
  adminPort: 9901,
  pools: POOLS,
  accessLog: { path: "stdout", format: ACCESS_LOG },
};
const WASM: WasmOptions = { file: MODULE, configuration: {}, hostEnvironment: [SECRET_ENV] };

const run = (
  file: string,
) => `# Run it from the project's root after \`make build\`, with a secret of 16 characters or more:
#   export ${SECRET_ENV}=$(openssl rand -hex 32)
#   docker run --rm --network host -e ${SECRET_ENV} -v "$PWD":/work -w /work envoyproxy/envoy:v${DEFAULT_VERSION} -c envoy/local/${file}
# or, with an Envoy of your own: envoy -c envoy/local/${file}
# Envoy serves on 127.0.0.1:10000, its admin is on 127.0.0.1:9901. Start the pods on 127.0.0.1:8001 to 8003, and the sidecar:
#   npx tsx simulator/main.ts --name pod-1 --model ${LLAMA} --port 8001 &
#   npx tsx simulator/main.ts --name pod-2 --model ${LLAMA} --port 8002 &
#   npx tsx simulator/main.ts --name pod-3 --model ${QWEN} --port 8003 &
#   npx tsx sidecar/main.ts --endpoint http://127.0.0.1:8001 --endpoint http://127.0.0.1:8002 --endpoint http://127.0.0.1:8003 --push http://127.0.0.1:10000 &`;

const tryIt = (body: object) =>
  `#   curl -si http://127.0.0.1:10000/v1/chat/completions -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
const ask = (model: string) => ({ model, messages: [{ role: "user", content: "hi" }], max_tokens: 4 });

const WRITTEN = "# envoy/local/generate.ts writes this file. A test compares the two, and another test runs this file.";

const SINGLE: Example = {
  file: "envoy.yaml",
  options: { ...BASE, wasm: WASM },
  header: `# Shows Pilotfish in a plain Envoy: two models on three pods, on this machine.
#
#   request -> wasm filter (reads the model, picks a pod) -> route by ${MODEL_HEADER} -> override_host -> pod
#
${run("envoy.yaml")}
# Until the sidecar's first push Envoy balances by least_request. After the push pod-1 or pod-2 answers this request:
${tryIt(ask(LLAMA))}
${WRITTEN}
`,
};

const ROLES: Example = {
  file: "roles.yaml",
  options: {
    ...BASE,
    filtersBefore: (["reader", "holder"] as const).map((role) =>
      wasmFilter({
        ...WASM,
        name: `pilotfish-${role}`,
        vmId: `pilotfish-${role}`,
        configuration: { role },
        allowOnHeadersStopIteration: false,
      }),
    ),
  },
  header: `# Shows the module twice in the chain, as reader and holder, as on a stock Envoy Gateway, which cannot set the flag
# allow_on_headers_stop_iteration. All else is the same as in envoy.yaml.
#
#   request -> reader (reads the body, picks) -> holder (keeps the headers until then) -> route -> override_host -> pod
#
${run("roles.yaml")}
# Then pod-3 answers this request:
${tryIt(ask(QWEN))}
${WRITTEN}
`,
};

const NAMES: Example = {
  file: "names.yaml",
  options: {
    ...BASE,
    wasm: {
      ...WASM,
      configuration: {
        models: {
          default: QWEN,
          rules: [
            { name: "gpt-4*", model: LLAMA },
            {
              name: "chat",
              targets: [
                { model: LLAMA, weight: 9 },
                { model: QWEN, weight: 1 },
              ],
            },
          ],
        },
      },
    },
  },
  header: `# Shows names of models: clients written for another provider ask for gpt-4o and are served by ${LLAMA}, \`chat\` is
# split nine to one, and a body without a model means ${QWEN}. Responses have the name that the client used.
#
${run("names.yaml")}
# Then pod-1 or pod-2 answers the first request, with the model gpt-4o; pod-3 answers the second request:
${tryIt(ask("gpt-4o"))}
${tryIt({ messages: [{ role: "user", content: "hi" }], max_tokens: 4 })}
${WRITTEN}
`,
};

const COMPOSE: Example = {
  file: "compose/envoy.yaml",
  options: {
    ...BASE,
    address: "0.0.0.0",
    wasm: { ...WASM, file: "/etc/pilotfish/pilotfish.wasm" },
    edit: (bootstrap) => byName(bootstrap, { llama: ["pod-1", "pod-2"], qwen: ["pod-3"] }),
  },
  header: `# Shows the Envoy of compose.yaml beside this file: the same as ../envoy.yaml, with pods that Envoy finds by name.
# A pick is an address. Envoy's clusters and the sidecar resolve the same names, so both have the same addresses.
#
${WRITTEN}
`,
};

/** Replaces each cluster's endpoints with host names, which Envoy resolves. */
function byName(bootstrap: JsonObject, names: Readonly<Record<string, readonly string[]>>): void {
  const { clusters } = bootstrap.static_resources as { clusters: JsonObject[] };
  for (const cluster of clusters) {
    cluster.type = "STRICT_DNS";
    cluster.dns_lookup_family = "V4_ONLY";
    (cluster.load_assignment as JsonObject).endpoints = [
      {
        lb_endpoints: (names[cluster.name as string] ?? []).map((address) => ({
          endpoint: { address: { socket_address: { address, port_value: 8000 } } },
        })),
      },
    ];
  }
}

export const EXAMPLES: readonly Example[] = [SINGLE, ROLES, NAMES, COMPOSE];
