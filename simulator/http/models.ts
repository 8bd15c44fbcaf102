// The model names of a pod: which model or adapter a request means, and the response of /v1/models.
import { ApiError, modelNotFound } from "./errors.ts";

export interface ModelSpec {
  id: string;
  adapters?: string[];
}

interface Adapter {
  parent: string;
  root: string;
}

/** The base models of a pod in the given order, and their adapters. The first base model is the default. */
export class ModelRegistry {
  readonly bases: readonly string[];
  readonly adapters = new Map<string, Adapter>();
  private readonly createdAt: number;
  private permissions = 0;

  constructor(models: readonly ModelSpec[], createdAt: number) {
    this.bases = models.map((model) => model.id);
    this.createdAt = Math.floor(createdAt / 1000);
    for (const model of models) {
      for (const adapter of model.adapters ?? []) {
        this.adapters.set(adapter, { parent: model.id, root: `/adapters/${adapter}` });
      }
    }
  }

  /** Returns the model, and perhaps the adapter, for `name`. A missing, null or empty name means the default model. */
  resolve(name: string | undefined): { model: string; adapter: string | undefined } {
    if (name === undefined || name === "") return { model: this.bases[0] as string, adapter: undefined };
    if (this.bases.includes(name)) return { model: name, adapter: undefined };
    if (this.adapters.has(name)) return { model: name, adapter: name };
    throw modelNotFound(name);
  }

  load(name: string, root: string, parent: string | undefined, inPlace: boolean): string {
    if (name === "" || root === "") throw invalidInput("Both 'lora_name' and 'lora_path' must be provided.");
    if (!inPlace && this.adapters.has(name)) {
      throw invalidInput(
        `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
      );
    }
    if (parent !== undefined && !this.bases.includes(parent)) throw modelNotFound(parent);
    this.adapters.set(name, { parent: parent ?? (this.bases[0] as string), root });
    return `Success: LoRA adapter '${name}' added successfully.`;
  }

  unload(name: string): string {
    if (name === "") throw invalidInput("'lora_name' needs to be provided to unload a LoRA adapter.");
    if (!this.adapters.delete(name)) {
      throw new ApiError(404, "NotFoundError", `The lora adapter '${name}' cannot be found.`);
    }
    return `Success: LoRA adapter '${name}' removed successfully.`;
  }

  /** Returns the response body of GET /v1/models. */
  list(maxModelLen: number): string {
    const cards: unknown[] = this.bases.map((id) => this.card(id, id, null, maxModelLen));
    for (const [id, { parent, root }] of this.adapters) cards.push(this.card(id, root, parent, null));
    return JSON.stringify({ object: "list", data: cards });
  }

  private card(id: string, root: string, parent: string | null, maxModelLen: number | null): unknown {
    const serial = (++this.permissions).toString(16).padStart(16, "0");
    return {
      id,
      object: "model",
      created: this.createdAt,
      owned_by: "vllm",
      root,
      parent,
      max_model_len: maxModelLen,
      permission: [
        {
          id: `modelperm-${serial}`,
          object: "model_permission",
          created: this.createdAt,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: "*",
          group: null,
          is_blocking: false,
        },
      ],
    };
  }
}

function invalidInput(message: string): ApiError {
  return new ApiError(400, "InvalidUserInput", message);
}
