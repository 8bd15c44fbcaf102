// The ways to get the model of a body into a header that routes match on, each as its documentation would have it and
// as lean as it gets. All but the first must end with the same header on the same route.

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
  /** Configuration of filters for the whole virtual host. */
  perHost?: JsonObject;
  /** Pilotfish itself, which also picks the pod. */
  pilotfish?: boolean;
  /** Another build than the run's. */
  wasmFile?: string;
  /** As two filters, reader and holder: what a stock Envoy Gateway can do. */
  roles?: boolean;
  /** A filter that does nothing but what none can do without. */
  floor?: Floor;
  /** Instead of the 16 MiB that a filter needs which holds whole bodies. */
  bufferLimitBytes?: number;
  /** Needs BBR beside Envoy. */
  bbr?: boolean;
  /** The client sends the model header itself. */
  clientNamesModel?: boolean;
}

export const BASELINE = "none";
/** Runs whenever it is there. */
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

/** Copies what a filter left in the metadata into the header, and has the route chosen again by it. */
function headerFromMetadata(value: string): JsonObject[] {
  return [
    {
      name: "envoy.filters.http.header_mutation",
      typed_config: {
        "@type": `${FILTER}.header_mutation.v3.HeaderMutation`,
        mutations: { request_mutations: [append(value)] },
      },
    },
    // header_mutation cannot clear the route cache; this filter can, and does nothing else.
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

// Its cheapest way: nothing is serialized again, and `request_info` reads model and stream only.
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
// Without a declared route the body is parsed, but request_info is not asked.
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
        // Envoy demands it with FULL_DUPLEX_STREAMED.
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
 * All of them, in the order of the tables. `bbrPort` is where BBR listens, `before` another build of the filter; without
 * them there are no such contenders.
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
      // What has arrived goes to BBR as one message, of which its gRPC server takes 4 MiB at most: with more, 8 MiB
      // bodies are answered with 500.
      bufferLimitBytes: 2 ** 20,
    });
  }
  return all;
}

export const CONTENDER_NAMES: readonly string[] = contenders(1).map((one) => one.name);
