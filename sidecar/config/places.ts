// The keys of places, of the policies that say how full one may get, and of peers: sidecars of other clusters.

import { z } from "zod";
import { MAX_WEIGHT } from "../../protocol/constants.ts";
import { isAddress, nameProblem } from "../../protocol/grammar.ts";
import type { Policy } from "../policies/policy.ts";
import { placeName } from "./cluster.ts";

function expected(text: string): { error: string } {
  return { error: text };
}

const WEIGHT = `an integer from 0 to ${MAX_WEIGHT}`;
const label = z.string(expected("text")).min(1, "text").optional();

const place = z.strictObject(
  {
    name: placeName,
    region: label,
    zone: label,
    order: z
      .int(expected("an integer from 0"))
      .min(0, "an integer from 0")
      .max(1_000_000, "at most 1000000")
      .optional(),
    weight: z.int(expected(WEIGHT)).min(0, WEIGHT).max(MAX_WEIGHT, WEIGHT).default(1),
  },
  expected("an object with name"),
);

export const places = z
  .strictObject({
    here: placeName.default("here").describe("The place of pods that name no other, and of this sidecar's Envoys."),
    region: label.describe("The region of `places.here`."),
    spill: z
      .enum(["order", "weight", "roundTrip"], expected("order, weight or roundTrip"))
      .default("order")
      .describe("Where requests go that the nearest place has no room for: docs/how-to/places.md."),
    list: z
      .array(place, expected("a list of objects with name"))
      .prefault([])
      .describe("Objects with `name`, `region`, `zone`, `order` (the lowest is filled first) and `weight` (`1`)."),
    export: z
      .array(z.string(expected("a pool, as name, namespace/name or *")), expected("a list of pools"))
      .prefault([])
      .describe(
        'Pools that peers may import, `*` all pods, beside those annotated `networking.gke.io/export: "True"`.',
      ),
  })
  .prefault({});

const PERCENT = "a percentage, from 1 to 100";
const COUNT = "an integer of at least 1";
const percent = z.number(expected(PERCENT)).min(1, PERCENT).max(100, PERCENT).optional();
const count = z.int(expected(COUNT)).min(1, COUNT).optional();
const names = z.array(z.string(expected("a name")), expected("a list of names")).prefault([]);

const policy = z
  .strictObject(
    {
      models: z
        .array(
          z.string(expected("a model name")).refine((name) => nameProblem(name) === null, "a model name"),
          expected("a list of model names"),
        )
        .prefault([]),
      pools: names,
      services: names,
      balancingMode: z.enum(["CUSTOM_METRICS", "IN_FLIGHT", "ORDER"], expected("CUSTOM_METRICS, IN_FLIGHT or ORDER")),
      maxUtilizationPercent: percent,
      maxInFlightRequestsPerEndpoint: count,
      trafficDuration: z.enum(["SHORT", "LONG"], expected("SHORT or LONG")).default("LONG"),
      timeoutSec: count,
      dryRun: z.boolean(expected("true or false")).default(false),
    },
    expected("an object with balancingMode"),
  )
  .superRefine((given, context) => {
    const { balancingMode: mode, maxUtilizationPercent: target, maxInFlightRequestsPerEndpoint: most } = given;
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", message, path: [key] });
    if (mode === "CUSTOM_METRICS" && target === undefined) wrong("maxUtilizationPercent", PERCENT);
    if (mode === "IN_FLIGHT" && most === undefined) wrong("maxInFlightRequestsPerEndpoint", COUNT);
    if (mode !== "CUSTOM_METRICS" && target !== undefined) wrong("maxUtilizationPercent", `nothing with ${mode}`);
    if (mode !== "IN_FLIGHT" && most !== undefined) wrong("maxInFlightRequestsPerEndpoint", `nothing with ${mode}`);
  });

export const policies = z
  .array(policy, expected("a list of policies"))
  .prefault([])
  .describe(
    "How full a place may get: objects with `models`, `pools` or `services`, `balancingMode` (`CUSTOM_METRICS` with " +
      "`maxUtilizationPercent` of the KV cache, `IN_FLIGHT` with `maxInFlightRequestsPerEndpoint`, `ORDER`), `trafficDuration` " +
      "(`LONG`), `timeoutSec`, `dryRun`. The first one wins, before those of manifests.",
  )
  .transform((list): Policy[] =>
    list.map((given, i) => ({
      name: `policies[${i}]`,
      targets: [...targets("InferencePool", given.pools), ...targets("Service", given.services)],
      models: given.models,
      mode: MODES[given.balancingMode],
      target: given.maxUtilizationPercent === undefined ? null : given.maxUtilizationPercent / 100,
      mostInFlight: given.maxInFlightRequestsPerEndpoint ?? null,
      timeoutMs: given.timeoutSec === undefined ? null : given.timeoutSec * 1000,
      dryRun: given.dryRun,
      short: given.trafficDuration === "SHORT",
    })),
  );

const MODES = { CUSTOM_METRICS: "utilization", IN_FLIGHT: "in-flight", ORDER: "order" } as const;

function targets(kind: "InferencePool" | "Service", list: readonly string[]): Policy["targets"] {
  return list.map((text) => {
    const slash = text.indexOf("/");
    return { kind, namespace: slash < 0 ? null : text.slice(0, slash), name: text.slice(slash + 1) };
  });
}

/** `durations` and `origins` come from schema.ts, which has the readers of both. */
export function peersOf(url: z.ZodType<{ origin: string }>, duration: (text: string) => z.ZodType<number>) {
  const peer = z
    .strictObject(
      {
        url,
        place: placeName.optional(),
        mode: z.enum(["pods", "gateway"], expected("pods or gateway")).default("pods"),
        gateway: z.string(expected("ip:port")).refine(isAddress, "ip:port").optional(),
        interval: duration("200ms"),
        staleAfter: duration("2s"),
      },
      expected("an object with url"),
    )
    .superRefine(({ mode, gateway }, context) => {
      if (mode === "gateway" && gateway === undefined)
        context.addIssue({ code: "custom", message: "ip:port of the cluster's gateway", path: ["gateway"] });
    });
  return z
    .array(peer, expected("a list of objects with url"))
    .prefault([])
    .describe(
      "Sidecars of other clusters, whose pools are used as well: objects with `url`, `place` (what it says), `mode` (`pods`: its " +
        "pods one by one; `gateway`: all of them as one, at `gateway`, `ip:port`), `interval` (`200ms`), `staleAfter` (`2s`).",
    );
}
