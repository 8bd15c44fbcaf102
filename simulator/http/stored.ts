// The responses that a pod stores, as vLLM does with VLLM_ENABLE_RESPONSES_API_STORE. The responses are in the pod's memory,
// so only this pod can continue their chats.
import type { Choice, Shape, Usage } from "./answers.ts";
import { ApiError } from "./errors.ts";

interface Stored {
  json: string;
  /** The chat up to this response, as one text. */
  text: string;
}

const MAX_STORED = 10_000;

export class StoredResponses {
  readonly #stored = new Map<string, Stored>();

  /** Returns the text of the chat up to the response `id`. Throws vLLM's 404 if the pod does not store the response. */
  text(id: string): string {
    return this.#find(id).text;
  }

  json(id: string): string {
    return this.#find(id).json;
  }

  /** Wraps a shape so that the finished response is stored under `id`. */
  keeping(id: string, text: string, shape: Shape): Shape {
    const keep = (choices: Choice[], usage: Usage) => {
      this.#stored.set(id, { json: shape.whole(choices, usage), text });
      for (const oldest of this.#stored.keys()) {
        if (this.#stored.size <= MAX_STORED) break;
        this.#stored.delete(oldest);
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

  #find(id: string): Stored {
    if (!id.startsWith("resp")) {
      const text = `Invalid 'response_id': '${id}'. Expected an ID that begins with 'resp'.`;
      throw new ApiError(400, "invalid_request_error", text, "response_id");
    }
    const found = this.#stored.get(id);
    if (found === undefined)
      throw new ApiError(404, "invalid_request_error", `Response with id '${id}' not found.`, "response_id");
    return found;
  }
}
