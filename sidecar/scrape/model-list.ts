// Reads the response of /v1/models, of which only id and parent are used:
//   {"object":"list","data":[{"id":"llama","parent":null,...},{"id":"sql-lora","parent":"llama","root":"/path",...}]}
// A base model has no parent; an adapter's parent is its base.
import { z } from "zod";
import { nameProblem } from "../../protocol/grammar.ts";
import { HttpFailure } from "../http.ts";
import type { ListedModel } from "../pod.ts";

const response = z.object({ data: z.array(z.object({ id: z.string(), parent: z.string().nullish() })).max(4096) });

interface ModelList {
  models: ListedModel[];
  /** Entries whose name a snapshot cannot have, each with a text that says which names are valid. */
  refused: Array<{ name: string; expected: string }>;
}

/** Reads the list. Throws an HttpFailure "invalid" for any other body. */
export function parseModels(body: Buffer): ModelList {
  let json: unknown;
  try {
    json = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new HttpFailure("invalid", `/v1/models: not JSON: ${(error as Error).message}`);
  }
  const parsed = response.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new HttpFailure("invalid", `/v1/models: ${issue?.path.join(".") || "response"}: ${issue?.message}`);
  }
  const models = new Map<string, ListedModel>();
  const refused: ModelList["refused"] = [];
  for (const { id, parent } of parsed.data.data) {
    const expected = nameProblem(id);
    if (expected !== null) refused.push({ name: id.slice(0, 80), expected });
    else models.set(id, { name: id, parent: parent ?? null });
  }
  return { models: [...models.values()], refused };
}
