// The contenders: the ways to get the model of a body into a header for routes. Each is configured as its documentation recommends
// and in its cheapest form. All contenders except the first must produce the same header on the same route.

import { luaFilter } from "../../envoy/filters.ts";
import type { JsonObject } from "../../envoy/json.ts";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import type { Floor } from "./floor.ts";

export interface Contender {
  name: string;
  /** One line for the legend. */
  title: string;
  /** HTTP filters before the router. */
  filters: readonly JsonObject[];
  clusters?: readonly JsonObject[];
  /** Per-filter configuration of the virtual host. */
  perHost?: JsonObject;
  /** True for Pilotfish, which also picks the pod. */
  pilotfish?: boolean;
  /** Another build of the filter. */
  wasmFile?: string;
  /** Two filters, reader and holder, as in a stock Envoy Gateway. */
  roles?: boolean;
  /** A filter with only the work that every filter must do (floor.ts). */
  floor?: Floor;
  /** Buffer limit instead of the 16 MiB for filters that buffer whole bodies. */
  bufferLimitBytes?: number;
  /** Whether BBR must run. */
  bbr?: boolean;
  /** The client sends the model header itself. */
  clientNamesModel?: boolean;
}

export const BASELINE = "none";
/** A contender that runs whenever it is available. */
export const BEFORE = "before";

const FILTER = "type.googleapis.com/envoy.extensions.filters.http";

const LUA_PATTERN = `
function envoy_on_request(handle)
  local body = handle:body()
  if body == nil then return end
  local model = string.match(body:getBytes(0, body:length()), '"model"%s*:%s*"([^"]+)"')
  if model ~= nil then handle:headers():replace("${MODEL_HEADER}", model) end
end
`;

function append(value: string): JsonObject {
  return { append: { header: { key: MODEL_HEADER, value }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" } };
}

/** Copies a filter's metadata into the header, and makes Envoy choose the route again. */
function headerFromMetadata(value: string): JsonObject[] {
  return [
    {
      name: "envoy.filters.http.header_mutation",
      typed_config: {
        "@type": `${FILTER}.header_mutation.v3.HeaderMutation`,
        mutations: { request_mutations: [append(value)] },
      },
    },
    // header_mutation cannot clear the route cache, so this filter does that and nothing else.
    {
      name: "envoy.filters.http.set_filter_state",
      typed_config: {
        "@type": `${FILTER}.set_filter_state.v3.Config`,
        on_request_headers: [
          {
            object_key: "bench.seen",
            factory_key: "envoy.string",
            format_string: { text_format_source: { inline_string: "1" } },
          },
        ],
        clear_route_cache: true,
      },
    },
  ];
}

const METADATA = "bench.model";

const jsonToMetadata: JsonObject = {
  name: "envoy.filters.http.json_to_metadata",
  typed_config: {
    "@type": `${FILTER}.json_to_metadata.v3.JsonToMetadata`,
    request_rules: {
      rules: [
        { selectors: [{ key: "model" }], on_present: { metadata_namespace: METADATA, key: "model", type: "STRING" } },
      ],
    },
  },
};

const transform: JsonObject = {
  name: "envoy.filters.http.transform",
  typed_config: {
    "@type": `${FILTER}.transform.v3.TransformConfig`,
    request_transformation: { headers_mutations: [append("%REQUEST_BODY(model)%")] },
    clear_route_cache: true,
  },
};

// The cheapest configuration: nothing is serialized again, and `request_info` reads only model and stream.
const aiProtocolManager: JsonObject = {
  name: "envoy.filters.http.ai_protocol_manager",
  typed_config: {
    "@type": `${FILTER}.ai_protocol_manager.v3.AiProtocolManager`,
    request_handling: { reserialize_body: "DISABLE" },
    filters: [
      {
        name: "envoy.http.ai_filters.request_info",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.http.ai_filters.request_info.v3.RequestInfo" },
      },
    ],
  },
};
// Without a declared route the filter parses the body and does not call request_info.
const AI_ROUTE: JsonObject = {
  "envoy.filters.http.ai_protocol_manager": {
    "@type": `${FILTER}.ai_protocol_manager.v3.AiProtocolManagerPerRoute`,
    request: {},
  },
};
const AI_MODEL = "%CEL(metadata.typed_filter_metadata['envoy.ai.request_info'].model)%";

const BBR_CLUSTER = "bbr";

function extProc(): JsonObject {
  return {
    name: "envoy.filters.http.ext_proc",
    typed_config: {
      "@type": `${FILTER}.ext_proc.v3.ExternalProcessor`,
      grpc_service: { envoy_grpc: { cluster_name: BBR_CLUSTER }, timeout: "60s" },
      message_timeout: "60s",
      processing_mode: {
        request_header_mode: "SEND",
        request_body_mode: "FULL_DUPLEX_STREAMED",
        // Envoy requires this mode together with FULL_DUPLEX_STREAMED.
        request_trailer_mode: "SEND",
        response_header_mode: "SKIP",
        response_body_mode: "NONE",
        response_trailer_mode: "SKIP",
      },
    },
  };
}

function bbrCluster(port: number): JsonObject {
  return {
    name: BBR_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: BBR_CLUSTER,
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } }],
        },
      ],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

/**
 * All contenders in the order of the tables. `bbrPort` is the port of BBR, `before` another build of the filter. Without them
 * their contenders are left out.
 */
export function contenders(bbrPort: number | undefined, before?: string): Contender[] {
  const all: Contender[] = [
    {
      name: BASELINE,
      title: "no filter; the client names the model in the header",
      filters: [],
      clientNamesModel: true,
    },
    { name: "pilotfish", title: "this filter: header and pick", filters: [], pilotfish: true },
    {
      name: "pilotfish-stock",
      title: "this filter twice, as reader and holder: a stock Envoy Gateway",
      filters: [],
      pilotfish: true,
      roles: true,
    },
    {
      name: "floor",
      title: "a Wasm filter that only writes the model's header: floor.ts",
      filters: [],
      floor: "model",
    },
    {
      name: "floor-pick",
      title: "the same, and the pods' header: what Envoy takes for this filter's job, whatever the filter does",
      filters: [],
      floor: "model-and-pods",
    },
    {
      name: "lua-pattern",
      title: "Lua: string.match on the body, then the header; no pick",
      filters: [luaFilter(LUA_PATTERN)],
    },
    {
      name: "json_to_metadata",
      title: "json_to_metadata, then header_mutation",
      filters: [jsonToMetadata, ...headerFromMetadata(`%DYNAMIC_METADATA(${METADATA}:model)%`)],
    },
    { name: "transform", title: "transform", filters: [transform] },
    {
      name: "ai_protocol_manager",
      title: "ai_protocol_manager (alpha) with request_info, then header_mutation",
      filters: [aiProtocolManager, ...headerFromMetadata(AI_MODEL)],
      perHost: AI_ROUTE,
    },
  ];
  if (before !== undefined) {
    all.splice(2, 0, {
      name: BEFORE,
      title: "another build of this filter",
      filters: [],
      pilotfish: true,
      wasmFile: before,
    });
  }
  if (bbrPort !== undefined) {
    all.push({
      name: "bbr",
      title: "BBR v1.5.0 by ext_proc, FULL_DUPLEX_STREAMED",
      filters: [extProc()],
      clusters: [bbrCluster(bbrPort)],
      bbr: true,
      // Envoy sends the bytes that have arrived to BBR as one message, and BBR's gRPC server accepts at most 4 MiB. With a larger limit
      // bodies of 8 MiB are answered with 500.
      bufferLimitBytes: 2 ** 20,
    });
  }
  return all;
}

export const CONTENDER_NAMES: readonly string[] = contenders(1).map((one) => one.name);
