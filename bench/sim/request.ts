// Makes three forms of a request from one text: the client's body, the pod's tokens, and the endpoint picker's blocks.
import { type Prompt, promptOf } from "../../simulator/engine/prompt.ts";
import { type Tokenizer, tokenizerOf } from "../../simulator/engine/tokenizer.ts";

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

/** A request of a load, before a tokenizer has seen its messages. */
export interface Draft {
  at: number;
  messages: readonly Message[];
  outputTokens: number;
  adapter?: string;
}

export const MODEL = "base-model";
/** Tokens in a block of the pods' KV caches. */
const BLOCK_TOKENS = 16;
/** The endpoint picker's blocks are 16 tokens of four bytes, whatever the pods' tokenizer is. */
const PICKER_BLOCK_TOKENS = 16;
const PICKER_TOKENIZER = tokenizerOf("bytes", 4);
const PICKER_BLOCKS = 256;

export function makeRequest(draft: Draft, tokenizer: Tokenizer): SimRequest {
  const { messages } = draft;
  const model = draft.adapter ?? MODEL;
  const rendered = messages.flatMap(({ role, content }) => [`<|${role}|>\n`, content, "\n"]);
  const prompt = promptOf(rendered, BLOCK_TOKENS, model, tokenizer);
  return { ...draft, model, prompt, blocks: pickerBlocks({ messages, model }, PICKER_BLOCKS) };
}

/** The hash chain of the first `most` blocks of 64 bytes of the messages' JSON, as an endpoint picker sees a prompt. */
export function pickerBlocks({ messages, model }: Pick<SimRequest, "messages" | "model">, most: number): Float64Array {
  const seen = JSON.stringify(messages).slice(0, PICKER_BLOCK_TOKENS * 4 * most);
  // In a text that is not ASCII the first units of UTF-16 have more bytes, so more blocks.
  return promptOf(seen, PICKER_BLOCK_TOKENS, model, PICKER_TOKENIZER).hashes.slice(0, most);
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
