// Schemas of objects about models: InferenceObjective, InferenceModel, InferenceModelRewrite, and ConfigMaps with adapters.
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import type { AdapterMap, Objective, Rewrite, ServedModel } from "../cluster-objects.ts";
import { expected, metadata, modelName, poolRef, weight } from "./fields.ts";

const PRIORITY = "an integer";

export const objective = z
  .object({
    metadata,
    spec: z.object({ priority: z.int(expected(PRIORITY)).nullish(), poolRef }, expected("an object with poolRef")),
  })
  .transform(({ metadata: { namespace, name }, spec }): Objective => {
    return { kind: "objective", namespace, name, pool: spec.poolRef.name, priority: spec.priority ?? 0 };
  });

export const servedModel = z
  .object({
    metadata,
    spec: z.object(
      {
        modelName,
        criticality: z
          .enum(["Critical", "Standard", "Sheddable"], expected("Critical, Standard or Sheddable"))
          .nullish(),
        poolRef,
        targetModels: z
          .array(z.object({ name: modelName, weight }, expected("an object with name")), expected("a list of models"))
          .nullish(),
      },
      expected("an object with modelName and poolRef"),
    ),
  })
  .transform(({ metadata: { namespace, name }, spec }): ServedModel => {
    const targets = (spec.targetModels ?? []).map((target) => ({ model: target.name, weight: target.weight }));
    const { modelName: model, criticality } = spec;
    return {
      kind: "model",
      namespace,
      name,
      pool: spec.poolRef.name,
      model,
      criticality: criticality ?? null,
      targets,
    };
  });

const match = z.object(
  { model: z.object({ type: z.literal("Exact", expected("Exact")).nullish(), value: modelName }) },
  expected("an object with model"),
);

const rule = z.object(
  {
    matches: z.array(match, expected("a list of matches")).nullish(),
    targets: z
      .array(z.object({ modelRewrite: modelName, weight }, expected("an object with modelRewrite")), expected("a list"))
      .nullish(),
  },
  expected("an object with matches and targets"),
);

export const rewrite = z
  .object({
    metadata,
    spec: z.object(
      { poolRef: poolRef.nullish(), rules: z.array(rule, expected("a list of rules")) },
      expected("an object with rules"),
    ),
  })
  .transform(({ metadata: { namespace, name, creationTimestamp }, spec }): Rewrite => {
    const rules = spec.rules.map(({ matches, targets }) => ({
      models: (matches ?? []).map(({ model }) => model.value),
      targets: (targets ?? []).map((target) => ({ model: target.modelRewrite, weight: target.weight })),
    }));
    const created = creationTimestamp ?? null;
    return { kind: "rewrite", namespace, name, pool: spec.poolRef?.name ?? null, created, rules };
  });

/** The label of the body-based router's ConfigMaps. Other ConfigMaps are not read. */
export const ADAPTERS_LABEL = "inference.networking.k8s.io/bbr-managed";

const trimmedName = z.preprocess((value) => (typeof value === "string" ? value.trim() : value), modelName);

/** Reads a YAML list inside a string as the body-based router does: items are trimmed, empty items are left out. */
const adapterList = z.string(expected("a YAML list of model names")).transform((text, context) => {
  let list: unknown;
  try {
    list = parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    context.addIssue(`a YAML list of model names (${(error as Error).message.split("\n")[0]})`);
    return z.NEVER;
  }
  const items = list ?? [];
  if (!Array.isArray(items)) {
    context.addIssue("a YAML list of model names");
    return z.NEVER;
  }
  const names = items.filter((item) => item !== null && item !== "").map((item) => String(item).trim());
  const bad = names.find((name) => name !== "" && !modelName.safeParse(name).success);
  if (bad !== undefined || items.some((item) => typeof item === "object" && item !== null)) {
    context.addIssue("a YAML list of model names");
    return z.NEVER;
  }
  return [...new Set(names.filter((name) => name !== ""))];
});

export const adapterMap = z
  .object({
    metadata,
    data: z.object(
      { baseModel: trimmedName, adapters: adapterList.nullish() },
      expected("an object with baseModel and adapters"),
    ),
  })
  .transform(({ metadata: { namespace, name }, data }): AdapterMap => {
    return { kind: "adapters", namespace, name, base: data.baseModel, adapters: data.adapters ?? [] };
  });
