// The malformed ones among snapshots with pools, objectives and rules.
import * as c from "../constants.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// In `objects`: pools default/llama, ml/qwen; objectives batch of 1, batch of 2, food-review; rule records: any of 2, batch,
// food-review twice.
export const OBJECT_CASES: readonly Case[] = [
  [
    "pool-name",
    "a pool's name of 318 bytes",
    "pools[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_POOLS) + c.POOL_NAME_LENGTH, 318, true),
  ],
  [
    "pool-order",
    "the same pool twice",
    "pools[1].name",
    (o, at) => {
      const pools = at(c.SECTION_POOLS);
      for (let i = 0; i < 8; i++) o.setUint8(pools + c.POOL_BYTES + i, o.getUint8(pools + i));
    },
  ],
  [
    "pool-outside",
    "an endpoint of a third pool",
    "endpoints[1].pool",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_POOL, 3, true),
  ],
  [
    "pools-missing",
    "POOLS has an unknown kind, so no pool can be referred to",
    "endpoints[0].pool",
    (o) => void o.setUint16(entryOf(o, c.SECTION_POOLS) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "pool-of-model",
    "a model of a third pool",
    "models[0].pool",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_POOL, 3, true),
  ],
  [
    "objective-name",
    "an objective's name of no bytes",
    "objectives[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_OBJECTIVES) + c.OBJECTIVE_NAME_LENGTH, 0, true),
  ],
  [
    "objective-order",
    "two objectives of one name for one pool",
    "objectives[1].name",
    (o, at) => void o.setUint32(at(c.SECTION_OBJECTIVES) + c.OBJECTIVE_BYTES + c.OBJECTIVE_POOL, 1, true),
  ],
  [
    "rule-target",
    "a rule's target that ends behind STRINGS",
    "rules[1].target",
    (o, at) => void o.setUint32(at(c.SECTION_RULES) + c.RULE_BYTES + c.RULE_TARGET_OFFSET, 0xfffffff8, true),
  ],
  [
    "rule-order",
    "a rule for any name behind one for a name",
    "rules[2].model",
    (o, at) => void o.setUint16(at(c.SECTION_RULES) + 2 * c.RULE_BYTES + c.RULE_NAME_LENGTH, 0, true),
  ],
  [
    "rule-priority",
    "targets of one rule with different priorities",
    "rules[3].priority",
    (o, at) => void o.setUint16(at(c.SECTION_RULES) + 3 * c.RULE_BYTES + c.RULE_FLAGS, c.RULE_HAS_PRIORITY, true),
  ],
  [
    "rule-weight",
    "a weight of 1,000,001",
    "rules[2].weight",
    (o, at) => void o.setUint32(at(c.SECTION_RULES) + 2 * c.RULE_BYTES + c.RULE_WEIGHT, 1_000_001, true),
  ],
];
