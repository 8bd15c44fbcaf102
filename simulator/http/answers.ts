// The response formats of the inference routes: whole responses, and the events of streams.
import { fillerText } from "../engine/prompt.ts";
import type { FinishReason } from "../engine/sequence.ts";

export interface Usage {
  prompt: number;
  completion: number;
  /** undefined: the server does not report cached tokens. */
  cached: number | undefined;
}

export interface Choice {
  tokens: number;
  reason: FinishReason;
}

/** The response format of one route. Every method returns text that is sent unchanged. */
export interface Shape {
  /** Returns the SSE events before the first token. */
  start(choices: number): string;
  delta(index: number, text: string, usage: Usage | null): string;
  /** Returns the event with the last token of a choice. */
  last(index: number, text: string, reason: FinishReason, usage: Usage | null): string;
  /** Returns the text after the last token of the last choice. */
  end(usage: Usage | null, choices: Choice[], total: Usage): string;
  whole(choices: Choice[], usage: Usage): string;
}

interface Head {
  id: string;
  created: number;
  model: string;
}

function usageText(usage: Usage, complete: boolean): string {
  const details =
    usage.cached !== undefined
      ? `,"prompt_tokens_details":{"cached_tokens":${usage.cached}}`
      : complete
        ? ',"prompt_tokens_details":null'
        : "";
  return `{"prompt_tokens":${usage.prompt},"total_tokens":${usage.prompt + usage.completion},"completion_tokens":${usage.completion}${details}}`;
}

/** The usage in a chunk in the middle of a stream. */
function tail(usage: Usage | null): string {
  return usage === null ? "" : `,"usage":${usageText({ ...usage, cached: undefined }, false)}`;
}

const DONE = "data: [DONE]\n\n";

export function chatShape(head: Head): Shape {
  const model = JSON.stringify(head.model);
  const common = `"id":"chatcmpl-${head.id}","object":"chat.completion.chunk","created":${head.created},"model":${model}`;
  const chunk = `data: {${common},"choices":[{"index":`;
  return {
    start(choices) {
      let text = "";
      for (let i = 0; i < choices; i++) {
        text += `${chunk}${i},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}\n\n`;
      }
      return text;
    },
    delta: (index, text, usage) =>
      `${chunk}${index},"delta":{"content":"${text}"},"logprobs":null,"finish_reason":null,"token_ids":null}]${tail(usage)}}\n\n`,
    last: (index, text, reason, usage) =>
      `${chunk}${index},"delta":{"content":"${text}"},"logprobs":null,"finish_reason":"${reason}","stop_reason":null,"token_ids":null}]${tail(usage)}}\n\n`,
    end: (usage) =>
      usage === null ? DONE : `data: {${common},"choices":[],"usage":${usageText(usage, false)}}\n\n${DONE}`,
    whole(choices, usage) {
      const list = choices.map(
        ({ tokens, reason }, i) =>
          `{"index":${i},"message":{"role":"assistant","content":"${fillerText(0, tokens)}","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"${reason}","stop_reason":null,"token_ids":null,"routed_experts":null}`,
      );
      return `{"id":"chatcmpl-${head.id}","object":"chat.completion","created":${head.created},"model":${model},"choices":[${list.join(",")}],"service_tier":null,"system_fingerprint":null,"usage":${usageText(usage, true)},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}`;
    },
  };
}

export function completionShape(head: Head): Shape {
  const common = `"id":"cmpl-${head.id}","object":"text_completion","created":${head.created},"model":${JSON.stringify(head.model)}`;
  const chunk = (index: number, text: string, reason: string, usage: Usage | null) =>
    `data: {${common},"choices":[{"index":${index},"text":"${text}","logprobs":null,"finish_reason":${reason},"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]${tail(usage)}}\n\n`;
  return {
    start: () => "",
    delta: (index, text, usage) => chunk(index, text, "null", usage),
    last: (index, text, reason, usage) => chunk(index, text, `"${reason}"`, usage),
    end: (usage) =>
      usage === null ? DONE : `data: {${common},"choices":[],"usage":${usageText(usage, false)}}\n\n${DONE}`,
    whole(choices, usage) {
      const list = choices.map(
        ({ tokens, reason }, i) =>
          `{"index":${i},"text":"${fillerText(0, tokens)}","logprobs":null,"finish_reason":"${reason}","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null,"routed_experts":null}`,
      );
      return `{${common},"choices":[${list.join(",")}],"service_tier":null,"system_fingerprint":null,"usage":${usageText(usage, true)},"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}`;
    },
  };
}

/** The format of the Responses API, limited to what clients need for plain text. */
export function responsesShape(head: Head): Shape {
  let serial = 0;
  const event = (type: string, body: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ ...body, sequence_number: serial++, type })}\n\n`;
  const item = `msg_${head.id}`;
  const position = { item_id: item, output_index: 0, content_index: 0 };
  const part = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: null });
  const message = (text: string, status: string) => ({
    id: item,
    content: status === "in_progress" ? [] : [part(text)],
    role: "assistant",
    status,
    type: "message",
  });
  const response = (choice: Choice | null, usage: Usage | null) => {
    const cut = choice?.reason === "length";
    return {
      id: `resp_${head.id}`,
      created_at: head.created,
      incomplete_details: cut ? { reason: "max_output_tokens" } : null,
      instructions: null,
      metadata: null,
      model: head.model,
      object: "response",
      output: choice === null ? [] : [message(fillerText(0, choice.tokens), "completed")],
      parallel_tool_calls: true,
      temperature: 1,
      tool_choice: "auto",
      tools: [],
      top_p: 1,
      status: choice === null ? "in_progress" : cut ? "incomplete" : "completed",
      usage:
        usage === null
          ? null
          : {
              input_tokens: usage.prompt,
              input_tokens_details: { cached_tokens: usage.cached ?? 0 },
              output_tokens: usage.completion,
              output_tokens_details: { reasoning_tokens: 0 },
              total_tokens: usage.prompt + usage.completion,
            },
    };
  };
  const delta = (text: string) => event("response.output_text.delta", { ...position, delta: text, logprobs: [] });
  return {
    start: () =>
      event("response.created", { response: response(null, null) }) +
      event("response.in_progress", { response: response(null, null) }) +
      event("response.output_item.added", { output_index: 0, item: message("", "in_progress") }) +
      event("response.content_part.added", { ...position, part: part("") }),
    delta: (_, text) => delta(text),
    last: (_, text) => delta(text),
    end(_, choices, total) {
      const choice = choices[0] as Choice;
      const text = fillerText(0, choice.tokens);
      return (
        event("response.output_text.done", { ...position, text, logprobs: [] }) +
        event("response.content_part.done", { ...position, part: part(text) }) +
        event("response.output_item.done", { output_index: 0, item: message(text, "completed") }) +
        event("response.completed", { response: response(choice, total) })
      );
    },
    whole: (choices, usage) => JSON.stringify(response(choices[0] ?? null, usage)),
  };
}

const DIMENSIONS = 16;

/**
 * Returns the response of the embeddings route. Each input has one vector of length 1. Equal prompt hashes give equal
 * vectors.
 */
export function embeddingsText(head: Head, seeds: number[], promptTokens: number, base64: boolean): string {
  const data = seeds.map((seed, index) => {
    const vector = Float32Array.from({ length: DIMENSIONS }, (_, i) => Math.sin(seed + i) / Math.sqrt(DIMENSIONS / 2));
    const embedding = base64 ? Buffer.from(vector.buffer).toString("base64") : [...vector];
    return { index, object: "embedding", embedding };
  });
  const usage = usageText({ prompt: promptTokens, completion: 0, cached: undefined }, true);
  return `{"id":"embd-${head.id}","object":"list","created":${head.created},"model":${JSON.stringify(head.model)},"data":${JSON.stringify(data)},"usage":${usage}}`;
}
