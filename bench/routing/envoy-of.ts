// The Envoy of a contender: its filters, and how its cluster chooses a pod.
import type { Json, JsonObject } from "../../envoy/json.ts";
import { DESTINATION_HEADER } from "../../protocol/constants.ts";
import type { TestEnvoyConfig } from "../../testkit/envoy/test-envoy.ts";
import type { RoutingContender } from "./contenders.ts";

const POOL = "pool";
const PICKER = "picker";

interface EnvoyNeeds {
  models: readonly string[];
  endpoints: readonly string[];
  wasmFile: string;
  secret: string;
  /** Port of the endpoint picker or of the router, for a contender with one of them. */
  peerPort: number | undefined;
}

export function envoyOf(contender: RoutingContender, needs: EnvoyNeeds): TestEnvoyConfig {
  const { models, endpoints, wasmFile, secret, peerPort } = needs;
  const config: TestEnvoyConfig = { pools: [{ name: POOL, models, endpoints }] };
  if (contender.filter) return { ...config, wasm: { file: wasmFile, secret, configuration: contender.filter } };
  if (contender.picker) {
    return {
      ...config,
      filtersBefore: [extProc],
      clusters: [grpcCluster(portOf(contender, peerPort))],
      // A request without a pick of the picker is refused, so that its figures include no other balancer.
      edit: (bootstrap) => Object.assign(poolOf(bootstrap), originalDestination),
    };
  }
  if (contender.homes) return { ...config, edit: (bootstrap) => Object.assign(poolOf(bootstrap), originalDestination) };
  const policy = contender.balance === "round robin" ? roundRobin : leastRequest;
  const upstreams = contender.router ? [`127.0.0.1:${portOf(contender, peerPort)}`] : endpoints;
  return {
    pools: [{ name: POOL, models, endpoints: upstreams }],
    edit: (bootstrap) => {
      poolOf(bootstrap).load_balancing_policy = { policies: [{ typed_extension_config: policy }] };
    },
  };
}

function portOf({ name }: RoutingContender, port: number | undefined): number {
  if (port === undefined) throw new Error(`${name}: the port of its peer is not known`);
  return port;
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

/** Configures ext_proc as the extension's guides do: the whole request and the whole response pass through the picker. */
const extProc: JsonObject = {
  name: "envoy.filters.http.ext_proc",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    grpc_service: { envoy_grpc: { cluster_name: PICKER }, timeout: "60s" },
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
    name: PICKER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: PICKER, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    circuit_breakers: { thresholds: [{ max_requests: 100_000, max_pending_requests: 100_000 }] },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}
