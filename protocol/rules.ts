// The validation rules, which a snapshot must keep: a number, a stable code and a sentence each. protocol/README.md's table is
// this list. The filter (assembly/snapshot/verify.ts) and decode.ts check all of them. The encoder checks those that a view can
// break (check-snapshot.ts), and keeps the others itself. A refusal names the rule whose check fails first. The order of the
// checks is not the order of the numbers, and the two decoders have orders of their own.
// Compiled by asc and by tsc alike. A number or code that was released keeps its meaning: append, never renumber.
import {
  HEADER_BYTES,
  MAJOR,
  MAX_ADDRESS_BYTES,
  MAX_CACHED_PARTS,
  MAX_ENVOYS,
  MAX_MODEL_ENDPOINTS,
  MAX_MODEL_NAME_BYTES,
  MAX_PLACE_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
  MAX_PREFILL_RATE,
  MAX_PREFIX_BLOCKS,
  MAX_REMOTE,
  MAX_REMOTE_WAITING,
  MAX_SECTIONS,
  MAX_SNAPSHOT_BYTES,
  MAX_STEP_SECONDS,
  MAX_TARGETS_OF_RULE,
  MAX_TOKENS_PER_BYTE,
  MAX_TOKENS_PER_REQUEST,
  MAX_WEIGHT,
} from "./constants.ts";

/** No rule is broken. */
export const VALID: u32 = 0;
export const BROKEN_BODY_LENGTH: u32 = 1;
export const BROKEN_MAGIC: u32 = 2;
export const BROKEN_MAJOR: u32 = 3;
export const BROKEN_TOTAL_BYTES: u32 = 4;
export const BROKEN_DIRECTORY: u32 = 5;
export const BROKEN_VERSION: u32 = 6;
export const BROKEN_SECTION_BOUNDS: u32 = 7;
export const BROKEN_SECTION_STRIDE: u32 = 8;
export const BROKEN_SECTION_RECORDS: u32 = 9;
export const BROKEN_SECTION_TWICE: u32 = 10;
export const BROKEN_SECTION_MISSING: u32 = 11;
export const BROKEN_ENDPOINT_ADDRESS: u32 = 12;
export const BROKEN_ENDPOINT_ORDER: u32 = 13;
export const BROKEN_ENDPOINT_KV_USAGE: u32 = 14;
export const BROKEN_MODEL_NAME: u32 = 15;
export const BROKEN_MODEL_ORDER: u32 = 16;
export const BROKEN_MODEL_TOTAL: u32 = 17;
export const BROKEN_MODEL_RANGE: u32 = 18;
export const BROKEN_SERVED_INDEX: u32 = 19;
export const BROKEN_SERVED_ORDER: u32 = 20;
export const BROKEN_SERVED_STATE: u32 = 21;
export const BROKEN_MODEL_KIND: u32 = 22;
export const BROKEN_MODEL_BASE: u32 = 23;
export const BROKEN_POOL_NAME: u32 = 24;
export const BROKEN_POOL_ORDER: u32 = 25;
export const BROKEN_POOL_INDEX: u32 = 26;
export const BROKEN_OBJECTIVE_NAME: u32 = 27;
export const BROKEN_OBJECTIVE_ORDER: u32 = 28;
export const BROKEN_RULE_NAME: u32 = 29;
export const BROKEN_RULE_ORDER: u32 = 30;
export const BROKEN_RULE_TARGET: u32 = 31;
export const BROKEN_RULE_WEIGHT: u32 = 32;
export const BROKEN_RULE_TARGETS: u32 = 33;
export const BROKEN_RULE_PRIORITY: u32 = 34;
export const BROKEN_PLACE_NAME: u32 = 35;
export const BROKEN_PLACE_ORDER: u32 = 36;
export const BROKEN_PLACE_INDEX: u32 = 37;
export const BROKEN_POLICY_NAME: u32 = 38;
export const BROKEN_POLICY_ORDER: u32 = 39;
export const BROKEN_POLICY_INDEX: u32 = 40;
export const BROKEN_POLICY_MODE: u32 = 41;
export const BROKEN_POLICY_LIMIT: u32 = 42;
export const BROKEN_ENVOYS: u32 = 43;
export const BROKEN_REMOTE_RECORDS: u32 = 44;
export const BROKEN_REMOTE_COUNTS: u32 = 45;
export const BROKEN_PREFIXES: u32 = 46;
export const BROKEN_ENDPOINT_COSTS: u32 = 47;
export const BROKEN_TOKENIZER_MODEL: u32 = 48;
export const BROKEN_TOKENIZER_COSTS: u32 = 49;
export const BROKEN_CACHED: u32 = 50;
/** The highest rule's number. The first rule has 1. */
export const LAST_RULE: u32 = 50;

/** The text of a rule: `code: sentence`. */
function ruleText(rule: u32): string {
  switch (rule) {
    case BROKEN_BODY_LENGTH:
      return limited(limited("body-length: A body has # to # bytes", HEADER_BYTES), MAX_SNAPSHOT_BYTES);
    case BROKEN_MAGIC:
      return "magic: A body begins with the bytes PFSN";
    case BROKEN_MAJOR:
      return limited("major-version: The major version is #: run a filter and a sidecar of the same release", MAJOR);
    case BROKEN_TOTAL_BYTES:
      return "total-bytes: totalBytes is the length of the body";
    case BROKEN_DIRECTORY:
      return limited(
        "directory: A snapshot has at most # sections, and its directory ends inside the body",
        MAX_SECTIONS,
      );
    case BROKEN_VERSION:
      return "version: The version is not 0";
    case BROKEN_SECTION_BOUNDS:
      return "section-bounds: A section begins at a multiple of 8 behind the directory, and ends inside the body";
    case BROKEN_SECTION_STRIDE:
      return "section-stride: A stride is a multiple of 8 and no shorter than the record; STRINGS has 1, PREFIXES and CACHED have 8";
    case BROKEN_SECTION_RECORDS:
      return "section-records: A section has at most as many records as its limit says";
    case BROKEN_SECTION_TWICE:
      return "section-twice: A section of a known kind is there at most once";
    case BROKEN_SECTION_MISSING:
      return "section-missing: STRINGS, ENDPOINTS, MODELS and MODEL_ENDPOINTS are there";
    case BROKEN_ENDPOINT_ADDRESS:
      return limited(
        "endpoint-address: An address is ip:port or [ipv6]:port, of at most # bytes inside STRINGS",
        MAX_ADDRESS_BYTES,
      );
    case BROKEN_ENDPOINT_ORDER:
      return "endpoint-order: Endpoints ascend strictly by the bytes of their addresses";
    case BROKEN_ENDPOINT_KV_USAGE:
      return "endpoint-kv-usage: KV usage is NaN or a number from 0 to 1";
    case BROKEN_MODEL_NAME:
      return nameRule("model-name: A model's name", MAX_MODEL_NAME_BYTES);
    case BROKEN_MODEL_ORDER:
      return "model-order: Models ascend strictly by the bytes of their names";
    case BROKEN_MODEL_TOTAL:
      return limited(
        "model-total: The ranges of all models add up to at most # records of MODEL_ENDPOINTS",
        MAX_MODEL_ENDPOINTS,
      );
    case BROKEN_MODEL_RANGE:
      return "model-range: A model's range lies inside MODEL_ENDPOINTS";
    case BROKEN_SERVED_INDEX:
      return "served-index: A record of MODEL_ENDPOINTS holds the index of an endpoint";
    case BROKEN_SERVED_ORDER:
      return "served-order: The endpoints of a model ascend strictly by index";
    case BROKEN_SERVED_STATE:
      return "served-state: The state of a model on an endpoint is 0 (listed), 1 (running) or 2 (waiting)";
    case BROKEN_MODEL_KIND:
      return "model-kind: A model's kind is 0 (base) or 1 (adapter)";
    case BROKEN_MODEL_BASE:
      return "model-base: A base model names itself as its base; an adapter names a base model, or none (0xffffffff)";
    case BROKEN_POOL_NAME:
      return nameRule("pool-name: A pool's name", MAX_POOL_NAME_BYTES);
    case BROKEN_POOL_ORDER:
      return "pool-order: Pools ascend strictly by the bytes of their names";
    case BROKEN_POOL_INDEX:
      return "pool-index: A pool is 0 (none), or 1 + an index into POOLS";
    case BROKEN_OBJECTIVE_NAME:
      return nameRule("objective-name: An objective's name", MAX_MODEL_NAME_BYTES);
    case BROKEN_OBJECTIVE_ORDER:
      return "objective-order: Objectives ascend strictly by the bytes of their names, then by pool";
    case BROKEN_RULE_NAME:
      return `${nameRule("rule-name: A rule's name", MAX_MODEL_NAME_BYTES)}; length 0 stands for any name`;
    case BROKEN_RULE_ORDER:
      return "rule-order: Records of RULES ascend by the bytes of their names, then by pool";
    case BROKEN_RULE_TARGET:
      return nameRule("rule-target: A rule's target", MAX_MODEL_NAME_BYTES);
    case BROKEN_RULE_WEIGHT:
      return limited("rule-weight: A target's weight is at most #", MAX_WEIGHT);
    case BROKEN_RULE_TARGETS:
      return limited("rule-targets: A rule has at most # targets", MAX_TARGETS_OF_RULE);
    case BROKEN_RULE_PRIORITY:
      return "rule-priority: All records of a rule have the same priority";
    case BROKEN_PLACE_NAME:
      return limited(
        "place-name: A place's name has 1 to # letters, digits, - and _ inside STRINGS",
        MAX_PLACE_NAME_BYTES,
      );
    case BROKEN_PLACE_ORDER:
      return "place-order: Places ascend strictly by the bytes of their names";
    case BROKEN_PLACE_INDEX:
      return "place-index: An endpoint's place is 0 (none), or 1 + an index into PLACES";
    case BROKEN_POLICY_NAME:
      return nameRule("policy-name: A policy's name", MAX_MODEL_NAME_BYTES);
    case BROKEN_POLICY_ORDER:
      return "policy-order: Policies ascend strictly by the bytes of their names";
    case BROKEN_POLICY_INDEX:
      return "policy-index: A model's policy is 0 (none), or 1 + an index into POLICIES";
    case BROKEN_POLICY_MODE:
      return "policy-mode: A policy's mode is 0 (order), 1 (utilization) or 2 (in flight)";
    case BROKEN_POLICY_LIMIT:
      return "policy-limit: A policy's target is above 0 and at most 1 in mode 1; it has 1 or more requests in flight in mode 2";
    case BROKEN_ENVOYS:
      return limited("envoys: The number of other Envoys is at most #", MAX_ENVOYS);
    case BROKEN_REMOTE_RECORDS:
      return "remote-records: REMOTE has as many records as ENDPOINTS";
    case BROKEN_REMOTE_COUNTS:
      return limited(
        limited(
          "remote-counts: A record of REMOTE has at most # requests, no more settled ones than requests, and at most # waiting tokens",
          MAX_REMOTE,
        ),
        MAX_REMOTE_WAITING,
      );
    case BROKEN_PREFIXES:
      return limited("prefixes: PREFIXES holds whole records of 1 to # blocks", MAX_PREFIX_BLOCKS);
    case BROKEN_ENDPOINT_COSTS:
      return limited(
        limited("endpoint-costs: A prefill rate is from 0 to #, and a cost is from 0 to # s", MAX_PREFILL_RATE),
        MAX_STEP_SECONDS,
      );
    case BROKEN_TOKENIZER_MODEL:
      return "tokenizer-model: Tokenizers name base models, strictly ascending by index";
    case BROKEN_TOKENIZER_COSTS:
      return limited(
        limited(
          "tokenizer-costs: A tokenizer has 0 to # tokens a request, and 0 to # tokens a byte",
          MAX_TOKENS_PER_REQUEST,
        ),
        MAX_TOKENS_PER_BYTE,
      );
    case BROKEN_CACHED:
      return limited(
        "cached: CACHED has a head with a part below #, and whole groups of blocks that each have tokens",
        MAX_CACHED_PARTS,
      );
    default:
      return "unknown: This number names no rule";
  }
}

function nameRule(what: string, most: u32): string {
  return limited(`${what} has 1 to # bytes inside STRINGS, is valid UTF-8 and has no control characters`, most);
}

/** The text with its first # replaced by a limit. (A template string for each rule would make the module larger.) */
function limited(text: string, limit: u32): string {
  const at = text.indexOf("#");
  return text.substring(0, at) + limit.toString() + text.substring(at + 1);
}

/** The stable code of a rule. Tools may compare it, because it never changes. */
export function ruleCode(rule: u32): string {
  const text = ruleText(rule);
  return text.substring(0, text.indexOf(": "));
}

/** The rule's sentence, without a full stop. */
export function ruleSentence(rule: u32): string {
  const text = ruleText(rule);
  return text.substring(text.indexOf(": ") + 2);
}
