// The section `admission`: which requests may go on while their pool is saturated.
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS } from "../../protocol/constants.ts";
import { choice, custom, duration, integer, type Section, section } from "./rows.ts";

const MAX_OBJECTIVES = 256;
const MAX_U32 = 0xffffffff;

const saturation: Section = {
  name: "Saturation",
  description: "When an endpoint counts as full. A pool is saturated when its endpoints are full on average.",
  rows: {
    queueDepthThreshold: integer({
      default: FULL_WAITING_REQUESTS,
      min: 1,
      max: 1000000,
      description: "Requests in an endpoint's own queue at which the endpoint counts as full.",
    }),
    kvCacheUtilThreshold: custom({
      type: "f64",
      initial: `${FULL_KV_USAGE}`,
      read: "readShare($)",
      what: "number above 0, at most 1",
      schema: { type: "number", exclusiveMinimum: 0, maximum: 1 },
      default: FULL_KV_USAGE,
      description: "KV-cache usage at which an endpoint counts as full, as a share of the cache.",
    }),
    metricsStalenessThreshold: duration({
      default: "2s",
      min: "50ms",
      max: "3600s",
      description: "An endpoint whose signals are older than this counts as full.",
    }),
  },
};

const hold: Section = {
  name: "Hold",
  description: "The hold queue of each worker, with `admission.mode` `hold`.",
  rows: {
    maxRequests: integer({
      default: 1024,
      min: 1,
      max: 16384,
      description:
        "Waiting requests in each worker. When the queue is full, the request of the lowest priority is refused with 429.",
    }),
    maxBytes: integer({
      default: 67108864,
      min: 1024,
      max: MAX_U32 - 1,
      description: "Bytes of the bodies of all waiting requests, in each worker.",
    }),
    timeout: duration({
      default: "30s",
      min: "100ms",
      max: "3600s",
      description: "The longest time that a request waits. Then it is refused with 503.",
    }),
  },
};

export const admission: Section = {
  name: "Admission",
  description: "Which requests may go on while their pool is saturated.",
  rows: {
    mode: choice({
      values: ["shed", "hold", "off"],
      default: "shed",
      holds: { constants: "MODE" },
      description:
        "What happens while the pool is saturated. `shed`: a request with a priority below 0 is refused with 429; the others " +
        "go on. `hold`: the others wait for room, or for a first endpoint. `off`: every request goes on.",
    }),
    objectives: custom({
      type: "Objectives",
      initial: "new Objectives()",
      read: `readObjectives($, ${MAX_OBJECTIVES})`,
      what: "object: name → priority, a 32-bit integer",
      schema: {
        type: "object",
        maxProperties: MAX_OBJECTIVES,
        additionalProperties: { type: "integer", minimum: -2147483648, maximum: 2147483647 },
      },
      default: {},
      description:
        "The priority of each objective that requests name in `x-gateway-inference-objective`. " +
        "These priorities win over the snapshot's.",
    }),
    headers: choice({
      values: ["strip", "pass"],
      default: "strip",
      holds: { is: "strip" },
      field: "strip",
      description:
        "The request headers of objective and fairness id. `strip`: the endpoint does not get them. `pass`: it does.",
    }),
    retryAfter: custom({
      type: "Bytes",
      initial: "busyHeaders(1)",
      read: "readRetryAfter($)",
      field: "busyHeaders",
      what: "duration of whole seconds, 1s to 3600s",
      schema: { type: "string", pattern: "^[0-9]{1,9}(ms|s)$" },
      default: "1s",
      description: "The `retry-after` of a refusal: how long the client is asked to wait before it tries again.",
    }),
    saturation: section({ section: saturation }),
    hold: section({ section: hold }),
  },
};
