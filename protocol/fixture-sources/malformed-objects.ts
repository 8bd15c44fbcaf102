// Malformed snapshots with pools, objectives and rules.

import * as c from "../constants.ts";
import {
  BROKEN_OBJECTIVE_NAME,
  BROKEN_OBJECTIVE_ORDER,
  BROKEN_POOL_INDEX,
  BROKEN_POOL_NAME,
  BROKEN_POOL_ORDER,
  BROKEN_RULE_NAME,
  BROKEN_RULE_ORDER,
  BROKEN_RULE_PRIORITY,
  BROKEN_RULE_TARGET,
  BROKEN_RULE_TARGETS,
  BROKEN_RULE_WEIGHT,
} from "../rules.ts";
import { type Case, entryOf, longerBy } from "./malformed-case.ts";

// The cases edit the golden snapshot `objects` (golden.ts). Its pools are default/llama (1) and ml/qwen (2); its objectives are
// batch of pool 1, batch of pool 2, and food-review; its rule records are for any name in pool 2, batch, and twice food-review.
export const OBJECT_CASES: readonly Case[] = [
  [
    "pool-name",
    BROKEN_POOL_NAME,
    "a pool's name of 318 bytes",
    "pools[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_POOLS) + c.POOL_NAME_LENGTH, 318, true),
  ],
  [
    "pool-order",
    BROKEN_POOL_ORDER,
    "the same pool twice",
    "pools[1].name",
    (o, at) => {
      const pools = at(c.SECTION_POOLS);
      for (let i = 0; i < 8; i++) o.setUint8(pools + c.POOL_BYTES + i, o.getUint8(pools + i));
    },
  ],
  [
    "pool-outside",
    BROKEN_POOL_INDEX,
    "an endpoint of a third pool",
    "endpoints[1].pool",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_POOL, 3, true),
  ],
  [
    "pools-missing",
    BROKEN_POOL_INDEX,
    "POOLS has an unknown kind, so no pool can be referred to",
    "endpoints[0].pool",
    (o) => void o.setUint16(entryOf(o, c.SECTION_POOLS) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "pool-of-model",
    BROKEN_POOL_INDEX,
    "a model of a third pool",
    "models[0].pool",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_POOL, 3, true),
  ],
  [
    "objective-name",
    BROKEN_OBJECTIVE_NAME,
    "an objective's name of no bytes",
    "objectives[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_OBJECTIVES) + c.OBJECTIVE_NAME_LENGTH, 0, true),
  ],
  [
    "objective-order",
    BROKEN_OBJECTIVE_ORDER,
    "two objectives of one name for one pool",
    "objectives[1].name",
    (o, at) => void o.setUint32(at(c.SECTION_OBJECTIVES) + c.OBJECTIVE_BYTES + c.OBJECTIVE_POOL, 1, true),
  ],
  [
    "rule-name",
    BROKEN_RULE_NAME,
    "a rule's name that ends behind STRINGS",
    "rules[1].model",
    (o, at) => void o.setUint32(at(c.SECTION_RULES) + c.RULE_BYTES + c.RULE_NAME_OFFSET, 0xfffffff8, true),
  ],
  [
    "rule-targets",
    BROKEN_RULE_TARGETS,
    "a rule of 65 targets",
    "rules[64].target",
    (_o, at, b) => {
      const records = c.MAX_TARGETS_OF_RULE + 1;
      const longer = longerBy(b, records * c.RULE_BYTES);
      const first = at(c.SECTION_RULES);
      const start = longer.length - records * c.RULE_BYTES;
      for (let i = 0; i < records; i++) longer.set(b.subarray(first, first + c.RULE_BYTES), start + i * c.RULE_BYTES);
      const out = new DataView(longer.buffer);
      out.setUint32(entryOf(out, c.SECTION_RULES) + c.DIRECTORY_OFFSET, start, true);
      out.setUint32(entryOf(out, c.SECTION_RULES) + c.DIRECTORY_RECORDS, records, true);
      return longer;
    },
  ],
  [
    "rule-target",
    BROKEN_RULE_TARGET,
    "a rule's target that ends behind STRINGS",
    "rules[1].target",
    (o, at) => void o.setUint32(at(c.SECTION_RULES) + c.RULE_BYTES + c.RULE_TARGET_OFFSET, 0xfffffff8, true),
  ],
  [
    "rule-order",
    BROKEN_RULE_ORDER,
    "a rule for any name behind one for a name",
    "rules[2].model",
    (o, at) => void o.setUint16(at(c.SECTION_RULES) + 2 * c.RULE_BYTES + c.RULE_NAME_LENGTH, 0, true),
  ],
  [
    "rule-priority",
    BROKEN_RULE_PRIORITY,
    "targets of one rule with different priorities",
    "rules[3].priority",
    (o, at) => void o.setUint16(at(c.SECTION_RULES) + 3 * c.RULE_BYTES + c.RULE_FLAGS, c.RULE_HAS_PRIORITY, true),
  ],
  [
    "rule-weight",
    BROKEN_RULE_WEIGHT,
    "a weight of 1,000,001",
    "rules[2].weight",
    (o, at) => void o.setUint32(at(c.SECTION_RULES) + 2 * c.RULE_BYTES + c.RULE_WEIGHT, 1_000_001, true),
  ],
];
