// The bootstrap of a plain Envoy with Pilotfish, as an object. `make run`, the integration tests, the benches and
// envoy/local/envoy.yaml are generated from it. Envoy Gateway writes the same structure from its resources.

import { stringify } from "yaml";
import { DESTINATION_HEADER, MODEL_HEADER } from "../protocol/constants.ts";
import { EnvoyError } from "./errors.ts";
import { type AccessLogOptions, accessLogs, routerFilter, type WasmOptions, wasmFilter } from "./filters.ts";
import type { Json, JsonObject } from "./json.ts";

export interface Pool {
  /** Name of the cluster. */
  name: string;
  /** Values of x-gateway-model-name with a route to this pool: base models and adapters. */
  models: readonly string[];
  /** `ip:port` or `[ipv6]:port`, as in snapshots. */
  endpoints: readonly string[];
}

export interface EnvoyConfigOptions {
  pools: readonly Pool[];
  /** Port of the LLM listener. With 0 the system chooses, and the admin's `/listeners` shows the port. */
  port: number;
  adminPort: number;
  /** Address of all listeners; default 127.0.0.1. */
  address?: string;
  /** The filter. Without it the listener routes by the client's headers. */
  wasm?: WasmOptions;
  /** Port of a listener for snapshots only, with the same filter and no routes. */
  snapshotPort?: number;
  /** Port of a listener with the same routes and without the filter, for comparisons. */
  plainPort?: number;
  /** Further HTTP filters of the LLM listener, around the Wasm filter. */
  filtersBefore?: readonly JsonObject[];
  filtersAfter?: readonly JsonObject[];
  accessLog?: AccessLogOptions;
  /** Maximum bytes of a request that Envoy buffers while the filter reads it. Envoy answers larger requests with 413. */
  bufferLimitBytes?: number;
  /** Pool for requests without a model header, such as GET /v1/models. Without it they get a 404. */
  defaultPool?: string;
  retries?: number;
  /** False makes the clusters ignore picks and use least_request. */
  overrideHost?: boolean;
  /** True: each worker has an accept socket of its own. By default workers share one socket, and get equally many connections. */
  reusePort?: boolean;
  /** Further clusters, such as an ext_proc server. */
  clusters?: readonly JsonObject[];
  /** Changes the finished bootstrap. */
  edit?: (bootstrap: JsonObject) => void;
}

const DEFAULT_BUFFER_LIMIT_BYTES = 8 * 1024 * 1024;
/** The message for unknown models and for requests without a model. It names the content type, because curl -d sends another. */
const NO_ROUTE =
  "The model does not exist, or the request names none: send `model` in a JSON body, with content-type: application/json.";
const STREAM_IDLE_TIMEOUT = "300s";

/** The bootstrap as an object; JSON.stringify of it is a valid configuration file. */
export function envoyConfig(options: EnvoyConfigOptions): JsonObject {
  checkPools(options);
  const filters = [...(options.filtersBefore ?? [])];
  if (options.wasm) filters.push(wasmFilter(options.wasm));
  filters.push(...(options.filtersAfter ?? []), routerFilter());

  const listeners = [listener("llm", options.port, filters, routeTable("llm", options), options)];
  if (options.snapshotPort !== undefined) {
    if (!options.wasm)
      throw new EnvoyError("ENVOY_CONFIG", "snapshotPort: expected wasm as well, the filter takes snapshots");
    const only = [wasmFilter(options.wasm), routerFilter()];
    listeners.push(listener("snapshots", options.snapshotPort, only, nothingElse("snapshots"), options));
  }
  if (options.plainPort !== undefined) {
    listeners.push(listener("plain", options.plainPort, [routerFilter()], routeTable("plain", options), options));
  }
  const bootstrap: JsonObject = {
    admin: { address: socketAddress(options.address ?? "127.0.0.1", options.adminPort) },
    // Counters are always fresh on the admin port; histograms are merged on a flush.
    stats_flush_interval: "1s",
    static_resources: {
      listeners,
      clusters: [...options.pools.map((pool) => cluster(pool, options)), ...(options.clusters ?? [])],
    },
  };
  options.edit?.(bootstrap);
  return bootstrap;
}

/** The bootstrap as YAML, for people. */
export function envoyYaml(options: EnvoyConfigOptions): string {
  return stringify(envoyConfig(options), { lineWidth: 0, aliasDuplicateObjects: false });
}

function listener(
  name: string,
  port: number,
  filters: JsonObject[],
  routes: JsonObject,
  options: EnvoyConfigOptions,
): JsonObject {
  const limit = options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
  const result: JsonObject = {
    name,
    // Names the counters listener.llm and so on, independent of the port.
    stat_prefix: name,
    address: socketAddress(options.address ?? "127.0.0.1", port),
    per_connection_buffer_limit_bytes: limit,
    // With SO_REUSEPORT a second Envoy could bind the same port without an error and take half of the traffic. One shared
    // socket makes a second bind an error. exact_balance spreads the connections evenly over the workers.
    enable_reuse_port: options.reusePort ?? false,
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: {
              "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              stat_prefix: name,
              codec_type: "AUTO",
              // Filter and server must read the same path, without ".." and "//". Escaped slashes stay, because model names have them.
              normalize_path: true,
              merge_slashes: true,
              // A slow prefill sends nothing for a long time, so Envoy ends only a stream that is idle for this long.
              stream_idle_timeout: STREAM_IDLE_TIMEOUT,
              // An HTTP/2 stream buffers at most its window, independent of the connection's limit.
              http2_protocol_options: { initial_stream_window_size: Math.min(Math.max(limit, 65_535), 2_147_483_647) },
              http_filters: filters,
              route_config: routes,
              access_log: accessLogs(options.accessLog),
            },
          },
        ],
      },
    ],
  };
  if (!options.reusePort) result.connection_balance_config = { exact_balance: {} };
  return result;
}

function routeTable(name: string, options: EnvoyConfigOptions): JsonObject {
  const routes: Json[] = [];
  for (const pool of options.pools) {
    for (const model of pool.models) {
      const match = { prefix: "/", headers: [{ name: MODEL_HEADER, string_match: { exact: model } }] };
      routes.push({ name: model, match, route: toCluster(pool.name) });
    }
  }
  if (options.defaultPool !== undefined) {
    const match = { prefix: "/", headers: [{ name: MODEL_HEADER, present_match: false }] };
    routes.push({ name: "no-model", match, route: toCluster(options.defaultPool) });
  }
  routes.push(answer404("unknown-model", NO_ROUTE, "model", "model_not_found"));
  return { name, virtual_hosts: [{ name, domains: ["*"], retry_policy: retryPolicy(options.retries ?? 2), routes }] };
}

function nothingElse(name: string): JsonObject {
  const routes = [answer404("not-found", "This listener takes snapshots only.", null, "not_found")];
  return { name, virtual_hosts: [{ name, domains: ["*"], routes }] };
}

/** OpenAI's error shape, so that clients raise their own NotFoundError. */
function answer404(name: string, message: string, param: string | null, code: string): JsonObject {
  const error = { message, type: "invalid_request_error", param, code };
  return {
    name,
    match: { prefix: "/" },
    direct_response: { status: 404, body: { inline_string: JSON.stringify({ error }) } },
    response_headers_to_add: [
      { header: { key: "content-type", value: "application/json" }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" },
    ],
  };
}

function toCluster(name: string): JsonObject {
  // No timeout, because a long generation is no error.
  return { cluster: name, timeout: "0s" };
}

function retryPolicy(retries: number): JsonObject {
  return {
    // Retries only requests that no pod has begun to answer, so that no answer is generated twice.
    retry_on: "connect-failure,refused-stream,reset-before-request,retriable-status-codes",
    retriable_status_codes: [503],
    num_retries: retries,
    // Each attempt uses the next entry of the destination list. For requests without a list, the predicate avoids a pod that
    // failed before.
    retry_host_predicate: [
      {
        name: "envoy.retry_host_predicates.previous_hosts",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        },
      },
    ],
    host_selection_retry_max_attempts: 3,
    // The next attempt goes to another pod, so it need not wait.
    retry_back_off: { base_interval: "0.005s", max_interval: "0.05s" },
  };
}

function cluster(pool: Pool, options: EnvoyConfigOptions): JsonObject {
  const leastRequest: JsonObject = {
    name: "envoy.load_balancing_policies.least_request",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
    },
  };
  const overrideHost: JsonObject = {
    name: "envoy.load_balancing_policies.override_host",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
      override_host_sources: [{ header: DESTINATION_HEADER }],
      fallback_policy: { policies: [{ typed_extension_config: leastRequest }] },
    },
  };
  const policy = options.overrideHost === false ? leastRequest : overrideHost;
  const many = 1_000_000;
  return {
    name: pool.name,
    type: "STATIC",
    connect_timeout: "1s",
    per_connection_buffer_limit_bytes: options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES,
    load_balancing_policy: { policies: [{ typed_extension_config: policy }] },
    load_assignment: {
      cluster_name: pool.name,
      endpoints: [
        {
          lb_endpoints: pool.endpoints.map((endpoint) => {
            const { address, port } = parseEndpoint(endpoint);
            return { endpoint: { address: socketAddress(address, port) } };
          }),
        },
      ],
    },
    // Pods have queues of their own, which the picker sees. Envoy's defaults of 1,024 requests would only turn a busy pool into 503s.
    circuit_breakers: {
      thresholds: [{ max_connections: many, max_pending_requests: many, max_requests: many, max_retries: 1024 }],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http_protocol_options: {} },
        // Uvicorn, which serves vLLM, closes idle connections after 5 s. Envoy must close them first.
        common_http_protocol_options: { idle_timeout: "4s" },
      },
    },
  };
}

function socketAddress(address: string, port: number): JsonObject {
  return { socket_address: { address, port_value: port } };
}

export function parseEndpoint(endpoint: string): { address: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(endpoint);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (!address || port < 1 || port > 65_535) {
    throw new EnvoyError("ENVOY_CONFIG", `endpoint "${endpoint}": expected ip:port or [ipv6]:port`);
  }
  return { address, port };
}

function checkPools(options: EnvoyConfigOptions): void {
  const names = new Set<string>();
  const models = new Set<string>();
  for (const pool of options.pools) {
    if (names.has(pool.name)) throw new EnvoyError("ENVOY_CONFIG", `pool "${pool.name}": expected each name once`);
    names.add(pool.name);
    if (pool.endpoints.length === 0) throw new EnvoyError("ENVOY_CONFIG", `pool "${pool.name}": expected an endpoint`);
    for (const model of pool.models) {
      if (models.has(model)) throw new EnvoyError("ENVOY_CONFIG", `model "${model}": expected in one pool only`);
      models.add(model);
    }
  }
  if (options.defaultPool !== undefined && !names.has(options.defaultPool)) {
    throw new EnvoyError(
      "ENVOY_CONFIG",
      `defaultPool "${options.defaultPool}": expected one of ${[...names].join(", ")}`,
    );
  }
}
