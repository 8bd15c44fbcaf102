// The keys of places, of policies, which say how full a place may get, and of peers, the sidecars of other clusters.

import { z } from "zod";
import { MAX_WEIGHT } from "../../protocol/constants.ts";
import { isAddress, nameProblem } from "../../protocol/grammar.ts";
import type { Policy } from "../policies/policy.ts";
import { placeName } from "./cluster.ts";
import { described, expected } from "./values.ts";

const WEIGHT = `an integer from 0 to ${MAX_WEIGHT}`;
const label = z.string(expected("text")).min(1, "text").optional();
const none = (description: string) => described(description, "none");

const place = z.strictObject(
  {
    name: placeName.describe("The place's name."),
    region: label.meta(none("The region of the place.")),
    zone: label.meta(none("The zone of the place.")),
    order: z
      .int(expected("an integer from 0"))
      .min(0, "an integer from 0")
      .max(1_000_000, "at most 1000000")
      .optional()
      .meta(
        described(
          "The rank of the place with `spill: order`: the lowest is filled first.",
          "the place's index in the list",
        ),
      ),
    weight: z
      .int(expected(WEIGHT))
      .min(0, WEIGHT)
      .max(MAX_WEIGHT, WEIGHT)
      .default(1)
      .describe("The share of the place with `spill: weight`."),
  },
  expected("an object with name"),
);

export const places = z
  .strictObject({
    here: placeName
      .default("here")
      .describe("The place of this sidecar's Envoys, and of pods that name no other place."),
    region: label.meta(none("The region of `places.here`.")),
    spill: z
      .enum(["order", "weight", "roundTrip"], expected("order, weight or roundTrip"))
      .default("order")
      .describe(
        "Where a request goes if the nearest place has no room. `order`: by `order`. `weight`: by `weight`. `roundTrip`: to the place with the shortest round trip. See docs/how-to/places.md.",
      ),
    list: z
      .array(place, expected("a list of objects with name"))
      .prefault([])
      .describe("The places, each with its order and its weight."),
    export: z
      .array(z.string(expected("a pool, as name, namespace/name or *")), expected("a list of pools"))
      .prefault([])
      .describe(
        'The pools that peers may import; `*` stands for all pods. A pool with the annotation `networking.gke.io/export: "True"` is exported anyway.',
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
        .prefault([])
        .describe("The models to which the policy applies. An empty list: all models."),
      pools: names.describe("The InferencePools to which the policy applies, as `[namespace/]name`."),
      services: names.describe("The Services to which the policy applies, as `[namespace/]name`."),
      balancingMode: z
        .enum(["CUSTOM_METRICS", "IN_FLIGHT", "ORDER"], expected("CUSTOM_METRICS, IN_FLIGHT or ORDER"))
        .describe(
          "What fills a place. `CUSTOM_METRICS`: KV-cache usage. `IN_FLIGHT`: in-flight requests. `ORDER`: the places are filled one after the other.",
        ),
      maxUtilizationPercent: percent.meta(none("KV-cache usage at which a place is full, with `CUSTOM_METRICS`.")),
      maxInFlightRequestsPerEndpoint: count.meta(
        none("In-flight requests of each endpoint at which a place is full, with `IN_FLIGHT`."),
      ),
      trafficDuration: z
        .enum(["SHORT", "LONG"], expected("SHORT or LONG"))
        .default("LONG")
        .describe(
          "How long requests of the policy take. With `SHORT`, what a filter has learned about a place counts for 1 s instead of 4 s.",
        ),
      timeoutSec: count.meta(none("Seconds after which Envoy gives up a request.")),
      dryRun: z
        .boolean(expected("true or false"))
        .default(false)
        .describe("`true`: the policy is evaluated and counted, but not applied."),
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
  .describe("How full a place may get. The first policy that applies counts; policies of manifests come after these.")
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

/** `url` and `duration` are schema.ts's readers of URLs and durations. */
export function peersOf(url: z.ZodType<{ origin: string }>, duration: (text: string) => z.ZodType<number>) {
  const peer = z
    .strictObject(
      {
        url: url.describe("The other sidecar's own address (its `listen`)."),
        place: placeName.optional().meta(described("The place of the peer's pods.", "the place that the peer reports")),
        mode: z
          .enum(["pods", "gateway"], expected("pods or gateway"))
          .default("pods")
          .describe(
            "`pods`: the peer's pods are used one by one. `gateway`: all of them count as one endpoint, at `gateway`.",
          ),
        gateway: z
          .string(expected("ip:port"))
          .refine(isAddress, "ip:port")
          .optional()
          .meta({ "x-type": "`ip:port`", ...none("The address of the peer's gateway, with `mode: gateway`.") }),
        interval: duration("200ms").describe("How often the peer is read."),
        staleAfter: duration("2s").describe("The age at which the peer's pods are no longer used."),
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
    .describe("Sidecars of other clusters whose exported pools are used as well.");
}
