// Makes three forms of a request from one text: the client's body, the pod's tokens, and the endpoint picker's blocks.
import { type Prompt, promptOf } from "../../simulator/engine/prompt.ts";
import { type Tokenizer, tokenizerOf } from "../../simulator/engine/tokenizer.ts";

export type Part = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string } };

export interface Message {
  role: "system" | "user" | "assistant" | "tool";
  content: string | readonly Part[];
}

export interface SimRequest {
  /** Arrival in ms of simulated time. */
  at: number;
  model: string;
  adapter?: string;
  messages: readonly Message[];
  /** Tool schemas. They stand behind the messages in the body and before them in the prompt. */
  tools?: readonly unknown[];
  outputTokens: number;
  prompt: Prompt;
  /** Hash chain of blocks of 64 bytes of the messages' JSON, at most 256. */
  blocks: Float64Array;
}

/** A request of a load, before a tokenizer has seen its messages. */
export interface Draft {
  at: number;
  messages: readonly Message[];
  tools?: readonly unknown[];
  /** What the engine makes of the messages; undefined: their text. A message with a picture needs it. */
  engineMessages?: readonly Message[];
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

export function makeRequest({ engineMessages, ...draft }: Draft, tokenizer: Tokenizer): SimRequest {
  const { messages, tools } = draft;
  const model = draft.adapter ?? MODEL;
  const prompt = promptOf(rendered(engineMessages ?? messages, tools), BLOCK_TOKENS, model, tokenizer);
  return { ...draft, model, prompt, blocks: pickerBlocks({ messages, model }, PICKER_BLOCKS) };
}

/** A chat template puts the tools first. */
function rendered(messages: readonly Message[], tools: readonly unknown[] | undefined): string[] {
  const parts = tools === undefined ? [] : [`<|tools|>\n${JSON.stringify(tools)}\n`];
  for (const { role, content } of messages) {
    if (typeof content !== "string") throw new TypeError("a message with parts needs what the engine makes of it");
    parts.push(`<|${role}|>\n`, content, "\n");
  }
  return parts;
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
      ...(request.tools === undefined ? {} : { tools: request.tools }),
      max_tokens: request.outputTokens,
      temperature: 0.7,
      stream: true,
    }),
  );
}
