// Makes three forms of a request from one text: the client's body, the pod's tokens, and the endpoint picker's blocks.
import { type Prompt, promptOf } from "../../simulator/engine/prompt.ts";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface SimRequest {
  /** Arrival in ms of simulated time. */
  at: number;
  model: string;
  adapter?: string;
  messages: readonly Message[];
  outputTokens: number;
  prompt: Prompt;
  /** Hash chain of blocks of 64 bytes of the messages' JSON, at most 256. */
  blocks: Float64Array;
}

export const MODEL = "base-model";
/** Tokens in a block of the pods' KV caches. */
const BLOCK_TOKENS = 16;
const PICKER_BLOCK_TOKENS = 16;
const PICKER_BLOCKS = 256;

export function makeRequest(
  at: number,
  messages: readonly Message[],
  outputTokens: number,
  adapter?: string,
): SimRequest {
  const model = adapter ?? MODEL;
  const rendered = messages.map((message) => `<|${message.role}|>\n${message.content}\n`).join("");
  // The picker's block of 64 bytes is 16 of the pod's four-byte tokens, so the same hash chain serves both.
  const seen = promptOf(
    JSON.stringify(messages).slice(0, PICKER_BLOCK_TOKENS * 4 * PICKER_BLOCKS),
    PICKER_BLOCK_TOKENS,
    model,
  );
  return {
    at,
    model,
    ...(adapter === undefined ? {} : { adapter }),
    messages,
    outputTokens,
    prompt: promptOf(rendered, BLOCK_TOKENS, model),
    blocks: seen.hashes,
  };
}

/** The body that the client sends. */
export function bodyOf(request: SimRequest): Buffer {
  return Buffer.from(
    JSON.stringify({
      model: request.model,
      messages: request.messages,
      max_tokens: request.outputTokens,
      temperature: 0.7,
      stream: true,
    }),
  );
}
