// The contenders: for each, the filters of its Envoy, and how the cluster balances. Each has an Envoy of its own with two workers.
import type { Json, JsonObject } from "../../envoy/json.ts";
import { DESTINATION_HEADER } from "../../protocol/constants.ts";
import type { TestEnvoyConfig } from "../../testkit/envoy/test-envoy.ts";
import { EPP as EPP_PEER } from "../../testkit/peers/go-peers.ts";

export interface RoutingContender {
  name: string;
  title: string;
  /** The configuration of Pilotfish's filter; absent for other contenders. */
  filter?: JsonObject;
  epp?: boolean;
  balance?: "round robin" | "least request";
}

export const CONTENDERS: readonly RoutingContender[] = [
  { name: "round-robin", title: "Envoy's ROUND_ROBIN", balance: "round robin" },
  { name: "least-request", title: "Envoy's LEAST_REQUEST, choice_count 2", balance: "least request" },
  { name: EPP_PEER.name, title: `EPP v${EPP_PEER.version} with its default plugins, by ext_proc`, epp: true },
  { name: "load", title: "Pilotfish, profile load", filter: { pick: { profile: "load" } } },
  { name: "tokens", title: "Pilotfish, profile tokens", filter: { pick: { profile: "tokens" } } },
];

export const CONTENDER_NAMES = CONTENDERS.map(({ name }) => name);
export const EPP = EPP_PEER.name;
export const BASELINES: readonly string[] = ["round-robin", "least-request"];

const POOL = "pool";
const EPP_CLUSTER = "epp";

interface EnvoyNeeds {
  models: readonly string[];
  endpoints: readonly string[];
  wasmFile: string;
  secret: string;
  /** Port of EPP. */
  eppPort: number | undefined;
}

export function envoyOf(contender: RoutingContender, needs: EnvoyNeeds): TestEnvoyConfig {
  const { models, endpoints, wasmFile, secret, eppPort } = needs;
  const config: TestEnvoyConfig = { pools: [{ name: POOL, models, endpoints }] };
  if (contender.filter) return { ...config, wasm: { file: wasmFile, secret, configuration: contender.filter } };
  if (contender.epp) {
    if (eppPort === undefined) throw new Error("EPP's port is not known");
    return {
      ...config,
      filtersBefore: [extProc],
      clusters: [grpcCluster(eppPort)],
      // A request without a pick of EPP is refused, so that EPP's figures include no other balancer.
      edit: (bootstrap) => Object.assign(poolOf(bootstrap), originalDestination),
    };
  }
  const policy = contender.balance === "round robin" ? roundRobin : leastRequest;
  return {
    ...config,
    edit: (bootstrap) => {
      poolOf(bootstrap).load_balancing_policy = { policies: [{ typed_extension_config: policy }] };
    },
  };
}

const POLICY = "envoy.load_balancing_policies";
const roundRobin: JsonObject = {
  name: `${POLICY}.round_robin`,
  typed_config: { "@type": `type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin` },
};
const leastRequest: JsonObject = {
  name: `${POLICY}.least_request`,
  typed_config: {
    "@type": `type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest`,
  },
};

function poolOf(bootstrap: JsonObject): JsonObject {
  const { clusters } = bootstrap.static_resources as { clusters: JsonObject[] };
  const pool = clusters.find(({ name }) => name === POOL);
  if (!pool) throw new Error(`the bootstrap has no cluster "${POOL}"`);
  if (pool.type === "STATIC" && pool.load_assignment === undefined) throw new Error("the pool has no endpoints");
  return pool;
}

/** Replaces the fixed endpoints: only the header decides the pod. */
const originalDestination: { [key: string]: Json | undefined } = {
  type: "ORIGINAL_DST",
  lb_policy: "CLUSTER_PROVIDED",
  original_dst_lb_config: { use_http_header: true, http_header_name: DESTINATION_HEADER },
  load_assignment: undefined,
  load_balancing_policy: undefined,
};

/** Configures ext_proc as the extension's guides do: the whole request and the whole response pass through EPP. */
const extProc: JsonObject = {
  name: "envoy.filters.http.ext_proc",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    grpc_service: { envoy_grpc: { cluster_name: EPP_CLUSTER }, timeout: "60s" },
    message_timeout: "60s",
    processing_mode: {
      request_header_mode: "SEND",
      request_body_mode: "FULL_DUPLEX_STREAMED",
      request_trailer_mode: "SEND",
      response_header_mode: "SEND",
      response_body_mode: "FULL_DUPLEX_STREAMED",
      response_trailer_mode: "SEND",
    },
  },
};

function grpcCluster(port: number): JsonObject {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    name: EPP_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: EPP_CLUSTER, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    circuit_breakers: { thresholds: [{ max_requests: 100_000, max_pending_requests: 100_000 }] },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}
