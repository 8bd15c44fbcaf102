// Schemas of fields that several kinds have, and error lines of the form "field: got value, expected ...".
import { isIP } from "node:net";
import { z } from "zod";
import { MAX_WEIGHT } from "../../../protocol/constants.ts";
import { nameProblem } from "../../../protocol/grammar.ts";

export function expected(text: string): { error: string } {
  return { error: text };
}

const labels = z
  .record(z.string(), z.string(expected("text")), expected("an object of text"))
  .nullish()
  .transform((value) => value ?? {});

export const metadata = z.object(
  {
    name: z.string(expected("a name")).min(1, "a name"),
    // kubectl uses this namespace for a manifest without a namespace.
    namespace: z
      .string(expected("a namespace"))
      .min(1, "a namespace")
      .nullish()
      .transform((value) => value ?? "default"),
    labels,
    annotations: labels,
    creationTimestamp: z.string(expected("a time")).nullish(),
    deletionTimestamp: z.string(expected("a time")).nullish(),
  },
  expected("an object with name"),
);

export type Metadata = z.output<typeof metadata>;

const PORT = "a port, an integer from 1 to 65535";
export const port = z.int(expected(PORT)).min(1, PORT).max(65535, PORT);

export const selector = z.record(
  z.string(),
  z.string(expected("a label's value, text")),
  expected("an object of labels"),
);

export const modelName = z
  .string(expected("a model name"))
  .refine((name) => nameProblem(name) === null, "a model name of 1...256 bytes without control characters");

/** An IP address without a zone, since no pod has a link-local address. */
export const ip = z
  .string(expected("an IP address"))
  .refine((text) => isIP(text) !== 0 && !text.includes("%"), "an IP address");

export const poolRef = z.object({ name: z.string(expected("a pool's name")) }, expected("an object with name"));

const WEIGHT = `a weight, an integer from 0 to ${MAX_WEIGHT}`;
export const weight = z
  .int(expected(WEIGHT))
  .min(0, WEIGHT)
  .max(MAX_WEIGHT, WEIGHT)
  .nullish()
  .transform((value) => value ?? null);

export const ENGINE_LABEL = "inference.networking.k8s.io/engine-type";

/** Returns a line for each error of `input`, with field, value and expectation. */
export function problemsOf(error: z.ZodError, input: unknown): string[] {
  return error.issues.map((issue) => {
    const value = issue.path.reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
      input,
    );
    return `${fieldOf(issue.path)}: got ${shown(value)}, expected ${issue.message}`;
  });
}

function fieldOf(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>((before, key) => {
    if (typeof key === "number") return `${before}[${key}]`;
    const name = String(key);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `${before}[${JSON.stringify(name)}]`;
    return before === "" ? name : `${before}.${name}`;
  }, "");
  return text === "" ? "object" : text;
}

export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
