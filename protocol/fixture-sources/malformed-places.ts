// The malformed ones among snapshots with places and policies.
import * as c from "../constants.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// In `places`: endpoints 10.0.0.1 .2 .9, 10.1.0.1, 10.9.0.1; places asia, eu-west, us-east; policies default/llama,
// default/qwen, order.
export const PLACE_CASES: readonly Case[] = [
  [
    "place-twice",
    "two sections of PLACES",
    "sections[4](PLACES)",
    (o) => void o.setUint16(entryOf(o, c.SECTION_POLICIES) + c.DIRECTORY_KIND, c.SECTION_PLACES, true),
  ],
  [
    "place-absent",
    "endpoints name a place, but PLACES has an unknown kind",
    "endpoints[0].place",
    (o) => void o.setUint16(entryOf(o, c.SECTION_PLACES) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "place-outside",
    "an endpoint's place past the places",
    "endpoints[0].place",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_PLACE, 4, true),
  ],
  [
    "place-name",
    "a place's name with a blank",
    "places[0].name",
    (o, at, b) => {
      const name = at(c.SECTION_STRINGS) + o.getUint32(at(c.SECTION_PLACES) + c.PLACE_NAME_OFFSET, true);
      b[name + 1] = 0x20;
    },
  ],
  [
    "place-order",
    "places in descending order of their names",
    "places[1].name",
    (o, at, b) => {
      const name = at(c.SECTION_STRINGS) + o.getUint32(at(c.SECTION_PLACES) + c.PLACE_NAME_OFFSET, true);
      b[name] = 0x7a;
    },
  ],
  [
    "place-stride",
    "place records of 16 bytes",
    "sections[3](PLACES).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_PLACES) + c.DIRECTORY_STRIDE, 16, true),
  ],
  [
    "policy-outside",
    "a model's policy past the policies",
    "models[0].policy",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_POLICY, 4, true),
  ],
  [
    "policy-mode",
    "a policy of mode 3",
    "policies[0].mode",
    (o, at) => void o.setUint8(at(c.SECTION_POLICIES) + c.POLICY_MODE, 3),
  ],
  [
    "policy-target",
    "a target of 0",
    "policies[0].target",
    (o, at) => void o.setFloat32(at(c.SECTION_POLICIES) + c.POLICY_TARGET, 0, true),
  ],
  [
    "policy-most",
    "no requests in flight at all",
    "policies[1].mostInFlight",
    (o, at) => void o.setUint32(at(c.SECTION_POLICIES) + c.POLICY_BYTES + c.POLICY_MOST_IN_FLIGHT, 0, true),
  ],
  [
    "policy-name",
    "a policy's name of no bytes",
    "policies[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_POLICIES) + c.POLICY_NAME_LENGTH, 0, true),
  ],
];
