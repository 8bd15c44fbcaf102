// Malformed snapshots with places and policies.

import * as c from "../constants.ts";
import {
  BROKEN_PLACE_INDEX,
  BROKEN_PLACE_NAME,
  BROKEN_PLACE_ORDER,
  BROKEN_POLICY_INDEX,
  BROKEN_POLICY_LIMIT,
  BROKEN_POLICY_MODE,
  BROKEN_POLICY_NAME,
  BROKEN_POLICY_ORDER,
  BROKEN_SECTION_RECORDS,
  BROKEN_SECTION_STRIDE,
  BROKEN_SECTION_TWICE,
} from "../rules.ts";
import { type Case, entryOf, longerBy } from "./malformed-case.ts";

// The cases edit the golden snapshot `places` (golden.ts). Its endpoints are 10.0.0.1, 10.0.0.2, 10.0.0.9, 10.1.0.1 and 10.9.0.1;
// its places are asia, eu-west and us-east; its policies are default/llama, default/qwen and order.
export const PLACE_CASES: readonly Case[] = [
  [
    "place-twice",
    BROKEN_SECTION_TWICE,
    "two sections of PLACES",
    "sections[4](PLACES)",
    (o) => void o.setUint16(entryOf(o, c.SECTION_POLICIES) + c.DIRECTORY_KIND, c.SECTION_PLACES, true),
  ],
  [
    "place-absent",
    BROKEN_PLACE_INDEX,
    "endpoints name a place, but PLACES has an unknown kind",
    "endpoints[0].place",
    (o) => void o.setUint16(entryOf(o, c.SECTION_PLACES) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "place-outside",
    BROKEN_PLACE_INDEX,
    "an endpoint's place past the places",
    "endpoints[0].place",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_PLACE, 4, true),
  ],
  [
    "place-name",
    BROKEN_PLACE_NAME,
    "a place's name with a blank",
    "places[0].name",
    (o, at, b) => {
      const name = at(c.SECTION_STRINGS) + o.getUint32(at(c.SECTION_PLACES) + c.PLACE_NAME_OFFSET, true);
      b[name + 1] = 0x20;
    },
  ],
  [
    "place-order",
    BROKEN_PLACE_ORDER,
    "places in descending order of their names",
    "places[1].name",
    (o, at, b) => {
      const name = at(c.SECTION_STRINGS) + o.getUint32(at(c.SECTION_PLACES) + c.PLACE_NAME_OFFSET, true);
      b[name] = 0x7a;
    },
  ],
  [
    "place-stride",
    BROKEN_SECTION_STRIDE,
    "place records of 16 bytes",
    "sections[3](PLACES).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_PLACES) + c.DIRECTORY_STRIDE, 16, true),
  ],
  [
    "policy-outside",
    BROKEN_POLICY_INDEX,
    "a model's policy past the policies",
    "models[0].policy",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_POLICY, 4, true),
  ],
  [
    "policy-mode",
    BROKEN_POLICY_MODE,
    "a policy of mode 3",
    "policies[0].mode",
    (o, at) => void o.setUint8(at(c.SECTION_POLICIES) + c.POLICY_MODE, 3),
  ],
  [
    "policy-target",
    BROKEN_POLICY_LIMIT,
    "a target of 0",
    "policies[0].target",
    (o, at) => void o.setFloat32(at(c.SECTION_POLICIES) + c.POLICY_TARGET, 0, true),
  ],
  [
    "policy-most",
    BROKEN_POLICY_LIMIT,
    "no requests in flight at all",
    "policies[1].mostInFlight",
    (o, at) => void o.setUint32(at(c.SECTION_POLICIES) + c.POLICY_BYTES + c.POLICY_MAX_IN_FLIGHT, 0, true),
  ],
  [
    "policy-order",
    BROKEN_POLICY_ORDER,
    "the same policy twice",
    "policies[1].name",
    (o, at) => {
      const policies = at(c.SECTION_POLICIES);
      for (let i = 0; i < c.POLICY_MODE; i++) o.setUint8(policies + c.POLICY_BYTES + i, o.getUint8(policies + i));
    },
  ],
  [
    "place-records",
    BROKEN_SECTION_RECORDS,
    "33 places",
    "sections[3](PLACES).records",
    (o, _at, b) => {
      const longer = longerBy(b, c.PLACE_BYTES * (c.MAX_PLACES + 1));
      o = new DataView(longer.buffer);
      o.setUint32(entryOf(o, c.SECTION_PLACES) + c.DIRECTORY_RECORDS, c.MAX_PLACES + 1, true);
      return longer;
    },
  ],
  [
    "policy-name",
    BROKEN_POLICY_NAME,
    "a policy's name of no bytes",
    "policies[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_POLICIES) + c.POLICY_NAME_LENGTH, 0, true),
  ],
];
