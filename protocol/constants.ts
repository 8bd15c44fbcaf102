// The wire contract of filter and sidecar: names, versions, limits and the offsets in a snapshot.
// Both asc and tsc compile this file (asc.d.ts declares u32 for tsc), so it has constants only, no arithmetic and no imports.
// README.md draws the layout. The golden fixtures test that both codecs keep the layout.

// ---- paths and headers ------------------------------------------------------------------------------------------
/** Reserved path: POST stores a snapshot, GET reads it back as JSON. Both need the secret. */
export const SNAPSHOT_PATH = "/.pilotfish/snapshot";
/** Path of a sidecar: its view of its own pods, for the sidecars of other clusters. Needs the secret. */
export const VIEW_PATH = "/.pilotfish/view";
/** Everything under this prefix belongs to the filter and never reaches an upstream. */
export const RESERVED_PREFIX = "/.pilotfish/";
/** Request header that carries the shared secret of a push or a read-back. */
export const SECRET_HEADER = "x-pilotfish-secret";
/** Request header that carries the secret `pick.debugSecret`. The response to such a request explains the pick. */
export const DEBUG_HEADER = "x-pilotfish-debug";
/** Response header with the explanation of a pick. */
export const EXPLAIN_HEADER = "x-pilotfish-explain";
/** Environment variable that has the shared secret, both of the Wasm VM and of the sidecar. */
export const SECRET_ENV = "PILOTFISH_SECRET";
/** Environment variable that has a second valid secret while the secret changes (docs/how-to/secrets.md). */
export const SECRET_NEXT_ENV = "PILOTFISH_SECRET_NEXT";
/** Request header of a push or a GET that asks for a traffic report. Its value is `ring.end` of the last traffic report. */
export const REPORT_HEADER = "x-pilotfish-report";
/** Request header of a poll: a GET for a traffic report with news. Its value is `ms.news.known.collector.envoys` (README.md). */
export const POLL_HEADER = "x-pilotfish-poll";
/** Request header with the model. HTTPRoutes match on this header (Gateway API Inference Extension). */
export const MODEL_HEADER = "x-gateway-model-name";
/** Request header with the base model of an adapter; a base model names itself (Gateway API Inference Extension). */
export const BASE_MODEL_HEADER = "x-gateway-base-model-name";
/** Request header with the name of the request's objective (Gateway API Inference Extension). */
export const OBJECTIVE_HEADER = "x-gateway-inference-objective";
/** Request header with the client's id, for fairness among clients (Gateway API Inference Extension). */
export const FAIRNESS_HEADER = "x-gateway-inference-fairness-id";
/** Request header that Envoy's override_host policy reads: `ip:port[,ip:port...]`, one entry for each attempt. */
export const DESTINATION_HEADER = "x-gateway-destination-endpoint";

// ---- error codes in responses to pushes and read-backs. They are never renamed. --------------------------------------
export const CODE_MALFORMED = "snapshot_malformed";
export const CODE_UNAUTHENTICATED = "snapshot_unauthenticated";
export const CODE_METHOD = "method_not_allowed";
export const CODE_NOT_FOUND = "not_found";
export const CODE_OUTDATED = "snapshot_outdated";
/** Another source has the lease. In the response, `heldMs` beside `error` is the time until the lease ends. */
export const CODE_LEASED = "snapshot_held";
export const CODE_TOO_LARGE = "snapshot_too_large";
export const CODE_NOT_STORED = "snapshot_not_stored";
/** The request reads back a snapshot, but no snapshot was pushed yet. */
export const CODE_ABSENT = "snapshot_absent";

// ---- snapshot: header, 64 bytes, little-endian -------------------------------------------------------------------
/** Bytes "PFSN". */
export const MAGIC: u32 = 0x4e534650;
export const MAJOR: u32 = 1;
export const MINOR: u32 = 0;
export const HEADER_BYTES: u32 = 64;
export const HEADER_MAGIC: u32 = 0;
export const HEADER_MAJOR: u32 = 4;
export const HEADER_MINOR: u32 = 6;
export const HEADER_TOTAL_BYTES: u32 = 8;
export const HEADER_SECTION_COUNT: u32 = 12;
/** u64: microseconds since the Unix epoch by the producer's clock. Versions increase strictly. The higher version is newer. */
export const HEADER_VERSION: u32 = 16;
/** u64: random id of the producing process. */
export const HEADER_SOURCE: u32 = 24;
/** u32 flags: HEADER_COMPLETE. */
export const HEADER_FLAGS: u32 = 32;
/** u32: number of Envoys whose requests REMOTE sums up. */
export const HEADER_ENVOYS: u32 = 36;
/** Flag: the producer knows all its pods, and could scrape most of them. */
export const HEADER_COMPLETE: u32 = 1;

// ---- section directory, after the header: 16 bytes an entry --------------------------------------------------------
export const DIRECTORY_ENTRY_BYTES: u32 = 16;
export const DIRECTORY_KIND: u32 = 0;
/** u16: bytes per record. A newer minor version may append fields to a record; a reader skips fields that it does not know. */
export const DIRECTORY_STRIDE: u32 = 2;
export const DIRECTORY_OFFSET: u32 = 4;
export const DIRECTORY_RECORDS: u32 = 8;
export const MAX_SECTIONS: u32 = 32;
export const SECTION_STRINGS: u32 = 1;
export const SECTION_ENDPOINTS: u32 = 2;
export const SECTION_MODELS: u32 = 3;
export const SECTION_MODEL_ENDPOINTS: u32 = 4;
/** All sections from here on are optional. Endpoints refer to records of PLACES, and models refer to records of POLICIES. */
export const SECTION_PLACES: u32 = 10;
export const SECTION_POLICIES: u32 = 11;
export const SECTION_OBJECTIVES: u32 = 5;
export const SECTION_RULES: u32 = 6;
export const SECTION_POOLS: u32 = 7;
/** Optional: in-flight requests of other Envoys, with a record for each record of ENDPOINTS. */
export const SECTION_REMOTE: u32 = 8;
/** Optional: blocks that other Envoys sent to endpoints, in prefix records of u64 words. */
export const SECTION_PREFIXES: u32 = 9;
/** Optional: how many tokens the text of a prompt has, for each base model that this is learned of. */
export const SECTION_TOKENIZERS: u32 = 12;
/** Optional: blocks that endpoints probably have cached, in u64 words, for workers whose prefix index is empty. */
export const SECTION_CACHED: u32 = 13;

// ---- endpoint record ------------------------------------------------------------------------------------------------
export const ENDPOINT_BYTES: u32 = 64;
export const ENDPOINT_ADDRESS_OFFSET: u32 = 0;
export const ENDPOINT_ADDRESS_LENGTH: u32 = 4;
export const ENDPOINT_FLAGS: u32 = 6;
/** u32 requests that wait in the model server's queue; UNKNOWN if the server does not report it. */
export const ENDPOINT_WAITING: u32 = 8;
/** u32 requests that run; UNKNOWN if the server does not report it. */
export const ENDPOINT_RUNNING: u32 = 12;
/** f32 fraction of the KV cache in use, 0...1; NaN if the server does not report it. */
export const ENDPOINT_KV_USAGE: u32 = 16;
/** u32 milliseconds between the scrape and the making of this snapshot; UNKNOWN if the endpoint was never scraped. */
export const ENDPOINT_SCRAPE_AGE: u32 = 20;
/** u32 number of KV cache blocks; 0: unknown. */
export const ENDPOINT_KV_BLOCKS: u32 = 24;
/** u32 tokens per KV cache block; 0: unknown. */
export const ENDPOINT_BLOCK_TOKENS: u32 = 28;
/** u16 number of adapters that can be active at once; 0: unknown, or none. */
export const ENDPOINT_MAX_LORA: u32 = 32;
/** u32 1 + index into POOLS; 0: the endpoint belongs to no pool. */
export const ENDPOINT_POOL: u32 = 44;
/** f32 uncached prompt tokens that the endpoint prefills each second; 0: not learned. */
export const ENDPOINT_PREFILL_RATE: u32 = 48;
/** f32 seconds of an engine step without its prefill and without its sequences; 0: not learned. */
export const ENDPOINT_STEP: u32 = 52;
/** f32 seconds that one more running sequence adds to an engine step; 0: not learned. */
export const ENDPOINT_SEQUENCE: u32 = 56;
/** Flag: the endpoint accepts requests (its health and readiness). */
export const ENDPOINT_READY: u32 = 1;
/** Flag: the endpoint is being removed and must get no new requests. */
export const ENDPOINT_DRAINING: u32 = 2;
/** Flag: the engine sleeps (vLLM's sleep mode) and must get no new requests. */
export const ENDPOINT_ASLEEP: u32 = 4;
/** Flag: the endpoint is the gateway of another cluster. Its numbers are the sums and means of that cluster's endpoints. */
export const ENDPOINT_GATEWAY: u32 = 8;
export const UNKNOWN: u32 = 0xffffffff;
/** u32 1 + index into PLACES; 0: the endpoint has no place. */
export const ENDPOINT_PLACE: u32 = 36;
/** u16 number of pods that the endpoint stands for, such as the pods behind a gateway; 0 means 1. */
export const ENDPOINT_WEIGHT: u32 = 40;

// ---- model record -----------------------------------------------------------------------------------------------------
export const MODEL_BYTES: u32 = 32;
export const MODEL_NAME_OFFSET: u32 = 0;
export const MODEL_NAME_LENGTH: u32 = 4;
/** u16 MODEL_IS_BASE or MODEL_IS_ADAPTER. */
export const MODEL_KIND: u32 = 6;
/** u32 index of the base model's record; a base model names itself; UNKNOWN for an adapter whose base is not listed. */
export const MODEL_BASE: u32 = 8;
/** u32 first record in the MODEL_ENDPOINTS section. */
export const MODEL_FIRST: u32 = 12;
/** u32 number of the model's records in MODEL_ENDPOINTS. */
export const MODEL_COUNT: u32 = 16;
/** u32 1 + index into POLICIES; 0 if the model has no policy. */
export const MODEL_POLICY: u32 = 28;
/** u32 1 + index into POOLS; 0 if no pool or several pools serve the model. */
export const MODEL_POOL: u32 = 24;
export const MODEL_IS_BASE: u32 = 0;
export const MODEL_IS_ADAPTER: u32 = 1;

// ---- model endpoint record: which endpoint serves the model -------------------------------------------------------------
export const MODEL_ENDPOINT_BYTES: u32 = 8;
/** u32 index into ENDPOINTS. */
export const MODEL_ENDPOINT_INDEX: u32 = 0;
/** u8 one of the ADAPTER_ states; ADAPTER_LISTED for base models. */
export const MODEL_ENDPOINT_STATE: u32 = 4;
/** The server lists the adapter, and reports no requests for it. */
export const ADAPTER_LISTED: u32 = 0;
/** The adapter has running requests. */
export const ADAPTER_RUNNING: u32 = 1;
/** The adapter has waiting requests only. */
export const ADAPTER_WAITING: u32 = 2;

// ---- tokenizer record: an estimate of a prompt's tokens, ascending by model ---------------------------------------------
//
//   tokens = tokens a request + sum over the byte classes of (bytes of the class * tokens a byte of the class)
export const TOKENIZER_BYTES: u32 = 32;
/** u32 index of a base model. */
export const TOKENIZER_MODEL: u32 = 0;
/** f32 tokens of each request beside its text, such as those of the chat template. */
export const TOKENIZER_PER_REQUEST: u32 = 4;
/** f32 tokens a byte, for each byte class: lower-case ASCII letters, upper-case ASCII letters, ASCII digits, other ASCII, others. */
export const TOKENIZER_PER_BYTE: u32 = 8;
export const BYTE_CLASSES: u32 = 5;

// ---- place record: a cluster or region that requests should stay in ------------------------------------------
export const PLACE_BYTES: u32 = 24;
export const PLACE_NAME_OFFSET: u32 = 0;
export const PLACE_NAME_LENGTH: u32 = 4;
/** u32 order. Places of the lowest order are filled first; places of the same order share requests by weight. */
export const PLACE_ORDER: u32 = 8;
/** u32 microseconds of a round trip; UNKNOWN if not measured. */
export const PLACE_ROUND_TRIP: u32 = 12;
/** u32 weight: the place's share among places of the same order. */
export const PLACE_WEIGHT: u32 = 16;

// ---- policy record: how full a place may get with a model's requests before the next place is used ---------------------------
export const POLICY_BYTES: u32 = 32;
export const POLICY_NAME_OFFSET: u32 = 0;
export const POLICY_NAME_LENGTH: u32 = 4;
/** u8 one of the POLICY_ modes. */
export const POLICY_MODE: u32 = 6;
/** u8 flags: POLICY_DRY_RUN, POLICY_SHORT. */
export const POLICY_FLAGS: u32 = 7;
/** f32 fraction of the KV cache, above 0 and at most 1; read with POLICY_IS_UTILIZATION. */
export const POLICY_TARGET: u32 = 8;
/** u32 requests in flight per pod, at least 1; read with POLICY_IS_IN_FLIGHT. */
export const POLICY_MAX_IN_FLIGHT: u32 = 12;
/** u32 milliseconds that a response may take; 0: the route decides. */
export const POLICY_TIMEOUT: u32 = 16;
/** Mode without a limit: a place is used while one of its endpoints is ready. */
export const POLICY_IS_ORDER: u32 = 0;
export const POLICY_IS_UTILIZATION: u32 = 1;
export const POLICY_IS_IN_FLIGHT: u32 = 2;
/** Flag: the filter decides and counts, but picks from all places. */
export const POLICY_DRY_RUN: u32 = 1;
/** Flag: requests are short, so the filter's averages follow new values faster. */
export const POLICY_SHORT: u32 = 2;
// ---- objective record: the priority of requests that name it, ascending by name and pool -------------------------------
export const OBJECTIVE_BYTES: u32 = 16;
export const OBJECTIVE_NAME_OFFSET: u32 = 0;
export const OBJECTIVE_NAME_LENGTH: u32 = 4;
/** u32 1 + index into POOLS: the objective is for requests to that pool; 0: for requests to every pool. */
export const OBJECTIVE_POOL: u32 = 8;
/** i32 priority. A higher value is more important. Requests below 0 may be shed. */
export const OBJECTIVE_PRIORITY: u32 = 12;

// ---- rule record: one target of a rule for a name; records ascend by name and pool ------------------------------------------
export const RULE_BYTES: u32 = 32;
/** u32 offset of the name that a request asks for. A name of length 0 matches every name. */
export const RULE_NAME_OFFSET: u32 = 0;
export const RULE_NAME_LENGTH: u32 = 4;
/** u16 flags: RULE_HAS_PRIORITY. */
export const RULE_FLAGS: u32 = 6;
/** u32 offset of the name of the model that is served instead. */
export const RULE_TARGET_OFFSET: u32 = 8;
export const RULE_TARGET_LENGTH: u32 = 12;
/** u32 weight: the target's share. If all weights of a rule are 0, its targets are equally likely. */
export const RULE_WEIGHT: u32 = 16;
/** u32 1 + index into POOLS: the rule is for requests to that pool; 0: for requests to every pool. */
export const RULE_POOL: u32 = 20;
/** i32 priority of requests for this name without an objective; read with RULE_HAS_PRIORITY. */
export const RULE_PRIORITY: u32 = 24;
export const RULE_HAS_PRIORITY: u32 = 1;

// ---- pool record, ascending by name -----------------------------------------------------------------------------------------
export const POOL_BYTES: u32 = 16;
/** u32 offset of the pool's name, `namespace/name`. */
export const POOL_NAME_OFFSET: u32 = 0;
export const POOL_NAME_LENGTH: u32 = 4;
// ---- remote record: requests that other Envoys sent to the endpoint --------------------------------------------------------
export const REMOTE_BYTES: u32 = 16;
/** u32 requests in flight. */
export const REMOTE_REQUESTS: u32 = 0;
/** u32 settled requests: the in-flight requests that have lived through a tick of their worker. */
export const REMOTE_SETTLED: u32 = 4;
/** u32 waiting tokens: uncached prompt tokens of requests without a first byte. */
export const REMOTE_WAITING: u32 = 8;
/** u32 uncached prompt tokens that were ever sent; wraps. */
export const REMOTE_SENT: u32 = 12;
/** Limits of a record's requests, and of its waiting tokens. */
export const MAX_REMOTE: u32 = 16777216;
export const MAX_REMOTE_WAITING: u32 = 1073741824;
export const MAX_ENVOYS: u32 = 1024;
/** A collector asks an Envoy again, and pushes to it again, after this many microseconds for each Envoy that it knows. */
export const EXCHANGE_SPACING_MICROSECONDS: u32 = 1500;

// ---- prefix record: u64 words -----------------------------------------------------------------------------------------------
export const PREFIX_WORD_BYTES: u32 = 8;
/** u64 hash of the endpoint's address. */
export const PREFIX_ENDPOINT: u32 = 0;
/** u64 hash of model and cache salt. */
export const PREFIX_SEED: u32 = 8;
/** u64: bits 0 to 8 are the number of block hashes that follow. The bits from 16 on are the record's number, which ascends. */
export const PREFIX_COUNT: u32 = 16;
/** Mask of the number of block hashes in the low 16 bits. */
export const PREFIX_COUNT_MASK: u32 = 511;
/** Bits 9 to 15 of the same word are the tokens of a piece of the prompt, in units; 0: a token for every four bytes. */
export const PREFIX_UNITS_SHIFT: u32 = 9;
/** Tokens of a unit. */
export const PREFIX_UNIT_TOKENS: u32 = 4;
export const PREFIX_BYTES: u32 = 24;
export const MAX_PREFIX_BLOCKS: u32 = 256;
/** Bytes of a piece of a prompt under profile "tokens", then for the scorers. */
export const PIECE_BYTES: u32 = 512;
export const SMALL_PIECE_BYTES: u32 = 64;
/** Under profile "tokens" this many blocks have one piece each. Blocks up to PREFIX_FOURFOLD_BLOCKS have 4 pieces, further blocks 16. */
export const PREFIX_SINGLE_BLOCKS: u32 = 64;
export const PREFIX_FOURFOLD_BLOCKS: u32 = 128;
/** Limit of the words of PREFIXES, and of the prefixes in a traffic report: 64 KiB. */
export const MAX_PREFIX_WORDS: u32 = 8192;

// ---- refill: the section CACHED, u64 words. The first word is the head. Then each endpoint has a group: the u64 hash of its address,
// ---- the u64 number of its blocks, and a word for each block, from the block that was used first to the block that was used last.
export const CACHED_WORD_BYTES: u32 = 8;
/** u64 of the head: bits 0 to 7 are the part of the refill, the bits from 8 on are the refill's number. */
export const CACHED_PART_BITS: u32 = 8;
/** Limit of the parts of a refill. */
export const MAX_CACHED_PARTS: u32 = 64;
/** Bytes of a group before its blocks. */
export const CACHED_GROUP_BYTES: u32 = 16;
/** u64 number of blocks of the group. */
export const CACHED_COUNT: u32 = 8;
/** Bits of a block: 0 to 10 are its tokens in units of PREFIX_UNIT_TOKENS, never 0. The bits from 16 on are the block's key: the
 * lower 48 bits of (hash of the block ^ hash of model and cache salt). */
export const CACHED_SIZE_MASK: u32 = 2047;
/** Bit of a block: requests used the block again while it was cached. */
export const CACHED_HOT: u32 = 2048;
export const CACHED_KEY_SHIFT: u32 = 16;
/** Limit of the words of CACHED: 256 KiB. */
export const MAX_CACHED_WORDS: u32 = 32768;

// ---- traffic report of an Envoy: a header of 64 bytes, then records of counts, then sums records, then prefix records -----------
/** Bytes "PFRP". */
export const REPORT_MAGIC: u32 = 0x50524650;
export const REPORT_HEADER_BYTES: u32 = 64;
export const REPORT_VERSION: u32 = 16;
/** u64: random id of the Envoy. Strictly, it is the id of the VMs that share data in an Envoy. */
export const REPORT_INSTANCE: u32 = 24;
/** u64: random id of the list of prefix records from which the report has the latest part. */
export const REPORT_RING: u32 = 32;
/** u48: end of the report's part in that list, in bytes. The next request for a traffic report names this end. */
export const REPORT_END: u32 = 40;
export const REPORT_END_BITS: u32 = 48;
/** u8: how often a worker of this Envoy began with an empty prefix index. It wraps. */
export const REPORT_EMPTIED: u32 = 46;
/** u8 flags: REPORT_HAS_SMALL_PIECES and REPORT_HAS_QUEUES. The bits from REPORT_EJECTIONS_SHIFT on: number of ejections, modulo 64. */
export const REPORT_FLAGS: u32 = 47;
/** Flag: a piece of a prompt has SMALL_PIECE_BYTES, else PIECE_BYTES. */
export const REPORT_HAS_SMALL_PIECES: u32 = 1;
/** Flag: picks or admission use the queues or the KV usage of scrapes, so fresh scrapes matter. */
export const REPORT_HAS_QUEUES: u32 = 2;
export const REPORT_EJECTIONS_SHIFT: u32 = 2;
/** u32 numbers: of records, of words of prefix records, of sums records. */
export const REPORT_RECORDS: u32 = 12;
export const REPORT_WORDS: u32 = 48;
export const REPORT_SUMS: u32 = 52;
/** u32 hash of the counts, never 0. A poll names it. 0: the filter is of a release without polls and traffic pushes. */
export const REPORT_NEWS: u32 = 56;
/** u32 id of the sidecar that collects all reports; 0: none. */
export const REPORT_COLLECTOR: u32 = 60;
/** A record: u64 hash of the endpoint's address, then a remote record. */
export const REPORT_RECORD_BYTES: u32 = 24;
/** Bytes "PFTP": a traffic push, which has the layout of a traffic report without sums records. */
export const TRAFFIC_MAGIC: u32 = 0x50544650;
/** u32 of a traffic push: number of Envoys that the records sum up. */
export const TRAFFIC_ENVOYS: u32 = 16;

// ---- sums record of a base model: sums over its requests since the Envoy started. A u32 wraps. ------------------------------
export const SUMS_BYTES: u32 = 104;
/** u64 hash of the base model's name. */
export const SUMS_MODEL: u32 = 0;
/** u32 requests whose response had its first byte. */
export const SUMS_REQUESTS: u32 = 8;
/** u32 prompt tokens of these requests that the filter expected their endpoints to have cached. */
export const SUMS_CACHED_TOKENS: u32 = 12;
/** u32 prompt bytes of these requests, for each byte class. */
export const SUMS_PROMPT: u32 = 16;
/** u32 requests among these whose response said how many tokens the prompt has (`usage`). */
export const SUMS_USAGE_REQUESTS: u32 = 36;
/** u32 prompt tokens by `usage`. */
export const SUMS_USAGE_TOKENS: u32 = 40;
/** u32 prompt bytes of the requests with `usage`, for each byte class. */
export const SUMS_USAGE_PROMPT: u32 = 44;
/** f64 sums over streamed responses: number, x, y, x * x, x * y. x: the uncached tokens that were ahead of the request on its
 * endpoint, and its own. y: seconds from the pick to the first byte. */
export const SUMS_FIT: u32 = 64;
export const SUMS_FIT_SUMS: u32 = 5;
/** Limit of the base models of an Envoy that have sums. */
export const MAX_SUMS: u32 = 64;

// ---- load with which an endpoint counts as full, if the configuration has none ----------------------------------------------
export const FULL_WAITING_REQUESTS: u32 = 5;
export const FULL_KV_USAGE: f32 = 0.8;
// ---- tokens of a cache whose server reports no size: 31,250 blocks of 16 tokens, the endpoint picker's default ---------------
export const UNKNOWN_CACHE_TOKENS: u32 = 500000;
// ---- limits ---------------------------------------------------------------------------------------------------------------
export const MAX_SNAPSHOT_BYTES: u32 = 1048576;
export const MAX_ENDPOINTS: u32 = 10240;
export const MAX_MODELS: u32 = 4096;
export const MAX_MODEL_ENDPOINTS: u32 = 65536;
export const MAX_MODEL_NAME_BYTES: u32 = 256;
export const MAX_POOLS: u32 = 1024;
/** A namespace of 63 bytes, a slash, and a name of 253 bytes. */
export const MAX_POOL_NAME_BYTES: u32 = 317;
export const MAX_OBJECTIVES: u32 = 4096;
/** Limit of rule records. Each record is a target. */
export const MAX_RULE_TARGETS: u32 = 16384;
export const MAX_TARGETS_OF_RULE: u32 = 64;
/** Limit of the weight of a rule's target and of a place. With this limit, sums of weights fit 32 bits. */
export const MAX_WEIGHT: u32 = 1000000;
/** Bytes of `[`, 45 characters of an IPv6 address, and `]:65535`. */
export const MAX_ADDRESS_BYTES: u32 = 54;
/** Limits of learned costs: tokens a second, seconds, tokens a request, and tokens a byte. */
export const MAX_PREFILL_RATE: u32 = 1000000000;
export const MAX_STEP_SECONDS: u32 = 3600;
export const MAX_TOKENS_PER_REQUEST: u32 = 65536;
export const MAX_TOKENS_PER_BYTE: u32 = 16;
export const MAX_PLACES: u32 = 32;
export const MAX_POLICIES: u32 = 64;
/** A place's name has only `[A-Za-z0-9_-]`, because it becomes a part of a metric's name. */
export const MAX_PLACE_NAME_BYTES: u32 = 63;
