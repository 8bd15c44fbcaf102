// Responses that the pod keeps, as vLLM does with VLLM_ENABLE_RESPONSES_API_STORE: they live in this process, so whoever
// needs one has to ask this pod.
import type { Choice, Shape, Usage } from "./answers.ts";
import { ApiError } from "./errors.ts";

interface Kept {
  json: string;
  /** The chat so far, as one text. */
  text: string;
}

const MOST = 10_000;

export class StoredResponses {
  readonly #kept = new Map<string, Kept>();

  /** The text of the chat that a response ends; throws vLLM's 404 for one that is not kept. */
  text(id: string): string {
    return this.#find(id).text;
  }

  json(id: string): string {
    return this.#find(id).json;
  }

  /** The shape, keeping what it says at the end. */
  keeping(id: string, text: string, shape: Shape): Shape {
    const keep = (choices: Choice[], usage: Usage) => {
      this.#kept.set(id, { json: shape.whole(choices, usage), text });
      for (const oldest of this.#kept.keys()) {
        if (this.#kept.size <= MOST) break;
        this.#kept.delete(oldest);
      }
    };
    return {
      ...shape,
      whole(choices, usage) {
        keep(choices, usage);
        return shape.whole(choices, usage);
      },
      end(usage, choices, total) {
        keep(choices, total);
        return shape.end(usage, choices, total);
      },
    };
  }

  #find(id: string): Kept {
    if (!id.startsWith("resp")) {
      const text = `Invalid 'response_id': '${id}'. Expected an ID that begins with 'resp'.`;
      throw new ApiError(400, "invalid_request_error", text, "response_id");
    }
    const kept = this.#kept.get(id);
    if (kept === undefined)
      throw new ApiError(404, "invalid_request_error", `Response with id '${id}' not found.`, "response_id");
    return kept;
  }
}
