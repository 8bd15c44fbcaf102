// The wire contract of filter and sidecar: names, versions, limits and the snapshot's offsets.
// Compiled by asc and by tsc alike, so: only untyped integer and string constants, no arithmetic, no imports.
// README.md beside this file draws the layout; the golden fixtures hold both codecs to it.

// ---- paths and headers ------------------------------------------------------------------------------------------
/** Reserved path: POST stores a snapshot, GET reads it back as JSON. Both need the secret. */
export const SNAPSHOT_PATH = "/.pilotfish/snapshot";
/** Everything under this prefix belongs to the filter and never reaches an upstream. */
export const RESERVED_PREFIX = "/.pilotfish/";
/** Request header that carries the shared secret of a push or a read-back. */
export const SECRET_HEADER = "x-pilotfish-secret";
/** Environment variable of the Wasm VM and of the sidecar that holds the shared secret. */
export const SECRET_ENV = "PILOTFISH_SECRET";
/** Header that HTTPRoutes match on (Gateway API Inference Extension). */
export const MODEL_HEADER = "x-gateway-model-name";
/** Header with the base model of an adapter; a base model names itself (Gateway API Inference Extension). */
export const BASE_MODEL_HEADER = "x-gateway-base-model-name";
/** `ip:port[,ip:port...]`, read by Envoy's override_host policy, one entry per attempt. */
export const DESTINATION_HEADER = "x-gateway-destination-endpoint";

// ---- snapshot: header, 64 bytes, little-endian -------------------------------------------------------------------
/** Bytes "PFSN". */
export const MAGIC = 0x4e534650;
export const MAJOR = 1;
export const MINOR = 0;
export const HEADER_BYTES = 64;
export const HEADER_MAGIC = 0;
export const HEADER_MAJOR = 4;
export const HEADER_MINOR = 6;
export const HEADER_TOTAL_BYTES = 8;
export const HEADER_SECTION_COUNT = 12;
/** u64: microseconds since the Unix epoch at the producer, strictly increasing; decides which snapshot is newer. */
export const HEADER_VERSION = 16;
/** u64: random id of the producing process. */
export const HEADER_SOURCE = 24;

// ---- section directory, after the header: 16 bytes an entry --------------------------------------------------------
export const SECTION_ENTRY_BYTES = 16;
export const SECTION_KIND = 0;
/** u16: bytes per record. A newer minor version may append fields to a record; a reader skips what it does not know. */
export const SECTION_STRIDE = 2;
export const SECTION_OFFSET = 4;
export const SECTION_RECORDS = 8;
export const MAX_SECTIONS = 32;

export const KIND_STRINGS = 1;
export const KIND_ENDPOINTS = 2;
export const KIND_MODELS = 3;
export const KIND_MODEL_ENDPOINTS = 4;

// ---- endpoint record ------------------------------------------------------------------------------------------------
export const ENDPOINT_BYTES = 64;
export const ENDPOINT_ADDRESS_OFFSET = 0;
export const ENDPOINT_ADDRESS_LENGTH = 4;
export const ENDPOINT_FLAGS = 6;
/** u32 requests waiting in the model server's queue; UNKNOWN when the server does not say. */
export const ENDPOINT_WAITING = 8;
/** u32 requests running; UNKNOWN when the server does not say. */
export const ENDPOINT_RUNNING = 12;
/** f32 fraction of the KV cache in use, 0...1; NaN when the server does not say. */
export const ENDPOINT_KV_USAGE = 16;
/** u32 milliseconds between the scrape and the making of this snapshot; UNKNOWN when never scraped. */
export const ENDPOINT_SCRAPE_AGE = 20;
/** u32 KV cache blocks; 0 unknown. */
export const ENDPOINT_KV_BLOCKS = 24;
/** u32 tokens per KV cache block; 0 unknown. */
export const ENDPOINT_BLOCK_TOKENS = 28;
/** u16 adapters that can be active at once; 0 unknown or none. */
export const ENDPOINT_MAX_LORA = 32;

/** The endpoint accepts requests (health, readiness). */
export const ENDPOINT_READY = 1;
/** The endpoint is being taken away: no new requests. */
export const ENDPOINT_DRAINING = 2;
/** The engine sleeps (vLLM's sleep mode): no new requests. */
export const ENDPOINT_ASLEEP = 4;
export const UNKNOWN = 0xffffffff;

// ---- model record -----------------------------------------------------------------------------------------------------
export const MODEL_BYTES = 32;
export const MODEL_NAME_OFFSET = 0;
export const MODEL_NAME_LENGTH = 4;
/** u16 MODEL_IS_BASE or MODEL_IS_ADAPTER. */
export const MODEL_KIND = 6;
/** u32 index of the base model's record; a base model names itself; UNKNOWN for an adapter whose base is not listed. */
export const MODEL_BASE = 8;
/** u32 first record in the MODEL_ENDPOINTS section. */
export const MODEL_FIRST = 12;
/** u32 records there. */
export const MODEL_COUNT = 16;
export const MODEL_IS_BASE = 0;
export const MODEL_IS_ADAPTER = 1;

// ---- model endpoint record: which endpoint serves the model -------------------------------------------------------------
export const MODEL_ENDPOINT_BYTES = 8;
/** u32 index into ENDPOINTS. */
export const MODEL_ENDPOINT_INDEX = 0;
/** u8 one of the ADAPTER_ states; ADAPTER_LISTED for base models. */
export const MODEL_ENDPOINT_STATE = 4;
/** Listed by the server, nothing known about requests for it. */
export const ADAPTER_LISTED = 0;
/** Has running requests. */
export const ADAPTER_RUNNING = 1;
/** Has only waiting requests. */
export const ADAPTER_WAITING = 2;

// ---- limits ---------------------------------------------------------------------------------------------------------------
export const MAX_SNAPSHOT_BYTES = 1048576;
export const MAX_ENDPOINTS = 10240;
export const MAX_MODELS = 4096;
export const MAX_MODEL_ENDPOINTS = 65536;
export const MAX_MODEL_NAME_BYTES = 256;
/** `[` + 45 characters of an IPv6 address + `]:65535`. */
export const MAX_ADDRESS_BYTES = 54;
