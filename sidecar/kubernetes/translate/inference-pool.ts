// Schemas of an InferencePool in its three API versions.
import { z } from "zod";
import type { Pool } from "../cluster-objects.ts";
import { expected, type Metadata, metadata, port, selector } from "./fields.ts";

/** This annotation names the gateway listener of a pool without an HTTPRoute. */
const ATTACH_TO = "inference.networking.x-k8s.io/attach-to";

const picker = z
  .object({ failureMode: z.enum(["FailOpen", "FailClose"], expected("FailOpen or FailClose")).nullish() })
  .nullish();

const v1 = z.object({
  metadata,
  spec: z.object(
    {
      selector: z.object({ matchLabels: selector }, expected("an object with matchLabels")),
      targetPorts: z
        .array(z.object({ number: port }, expected("an object with number")), expected("a list of ports"))
        .min(1, "at least one port")
        .max(8, "at most 8 ports"),
      endpointPickerRef: picker,
    },
    expected("an object with selector and targetPorts"),
  ),
});

const alpha = z.object({
  metadata,
  spec: z.object(
    { selector, targetPortNumber: port, extensionRef: picker },
    expected("an object with selector and targetPortNumber"),
  ),
});

/** The pool is offered to other clusters if this annotation is "true". */
const EXPORT = "networking.gke.io/export";

type Failure = z.output<typeof picker>;

function common({ namespace, name, annotations }: Metadata, failure: Failure) {
  const attachTo = annotations[ATTACH_TO] ?? null;
  const exported = annotations[EXPORT]?.toLowerCase() === "true";
  const failOpen = failure?.failureMode === "FailOpen";
  return { kind: "pool" as const, namespace, name, attachTo, failOpen, ...(exported && { exported }) };
}

export const poolV1 = v1.transform(({ metadata: meta, spec }): Pool => {
  return {
    ...common(meta, spec.endpointPickerRef),
    version: "v1",
    selector: spec.selector.matchLabels,
    targetPorts: [...new Set(spec.targetPorts.map(({ number }) => number))],
  };
});

export function poolAlpha(version: "v1alpha1" | "v1alpha2") {
  return alpha.transform(({ metadata: meta, spec }): Pool => {
    const { selector: labels, targetPortNumber, extensionRef } = spec;
    return { ...common(meta, extensionRef), version, selector: labels, targetPorts: [targetPortNumber] };
  });
}
