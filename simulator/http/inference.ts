// The inference routes: each route validates its body, and starts a Job with the prompts and the response format.
import type { IncomingMessage, ServerResponse } from "node:http";
import { fillerText, type Prompt, promptOf, promptOfIds } from "../engine/prompt.ts";
import { type Tokenizer, tokenizerOf } from "../engine/tokenizer.ts";
import { chatShape, completionShape, embeddingsText, responsesShape, type Shape } from "./answers.ts";
import { type JsonObject, parseJson, readBody } from "./body.ts";
import { badRequest, validationError } from "./errors.ts";
import { Fields, type Generation, generationFields } from "./fields.ts";
import { Job, type JobPlan } from "./job.ts";
import { boundaryOf, parseMultipart } from "./multipart.ts";
import type { Handler, PodState } from "./pod-state.ts";
import { send } from "./send.ts";

interface Limits {
  maxTokens: number | undefined;
  parameter: string;
  /** Number of tokens that a request without a limit generates. `endsBy` is the finish reason of such a request. */
  otherwise: number;
  endsBy: "stop" | "length";
}

type ShapeOf = (head: { id: string; created: number; model: string }) => Shape;

async function body(request: IncomingMessage): Promise<JsonObject> {
  return parseJson(await readBody(request), request.headers["content-type"]);
}

function start(
  pod: PodState,
  request: IncomingMessage,
  response: ServerResponse,
  asked: Generation,
  prompts: (salt: string) => Prompt[],
  limits: Limits,
  shapeOf: ShapeOf,
): void {
  const { model, adapter } = pod.models.resolve(asked.model);
  const { maxTokens, otherwise } = limits;
  if (maxTokens !== undefined && maxTokens < 1) {
    throw badRequest(`${limits.parameter} must be at least 1, got ${maxTokens}.`, limits.parameter);
  }
  const plan: JobPlan = {
    ...asked,
    model,
    adapter,
    prompts: prompts(`${adapter ?? ""}\n${asked.cacheSalt}`),
    outputTokens: maxTokens ?? otherwise,
    endsBy: maxTokens === undefined ? limits.endsBy : "length",
    maxTokens,
    shape: shapeOf({ id: pod.id(), created: Math.floor(pod.clock.now() / 1000), model: adapter ?? model }),
  };
  new Job(pod, plan, request, response).run();
}

export const chatCompletions: Handler = async (pod, request, response) => {
  const json = await body(request);
  const fields = new Fields(json);
  const messages = fields.list("messages");
  const generation = generationFields(fields);
  const newer = fields.integer("max_completion_tokens");
  const older = fields.integer("max_tokens");
  messages.forEach((message, i) => {
    if (typeof message !== "object" || message === null || Array.isArray(message)) {
      fields.find("dict_type", ["messages", i], "Input should be a valid dictionary", message);
    } else if (typeof (message as JsonObject).role !== "string") {
      fields.find("missing", ["messages", i, "role"], "Field required", message);
    }
  });
  fields.done();
  const limits: Limits = {
    maxTokens: newer ?? older,
    parameter: newer === undefined ? "max_tokens" : "max_completion_tokens",
    otherwise: pod.params.outputTokens,
    endsBy: "stop",
  };
  const parts = renderChat(messages as JsonObject[], json.tools);
  const prompts = (salt: string) => [promptOf(parts, pod.params.blockSize, salt, tokenizer(pod))];
  start(pod, request, response, generation(), prompts, limits, chatShape);
};

export const completions: Handler = async (pod, request, response) => {
  const json = await body(request);
  const fields = new Fields(json);
  const inputs = promptInputs(fields, json.prompt, "prompt");
  const generation = generationFields(fields);
  const maxTokens = fields.integer("max_tokens");
  fields.done();
  if (inputs.length === 0) {
    throw badRequest("Either prompt or prompt_embeds must be provided and non-empty.", "prompt");
  }
  // vLLM's default for this route is 16 tokens.
  const limits: Limits = { maxTokens, parameter: "max_tokens", otherwise: 16, endsBy: "length" };
  start(pod, request, response, generation(), promptsOf(pod, inputs), limits, completionShape);
};

export const responses: Handler = async (pod, request, response) => {
  const json = await body(request);
  const fields = new Fields(json);
  const input = fields.required("input");
  const generation = generationFields(fields);
  const instructions = fields.string("instructions") ?? "";
  const previous = fields.string("previous_response_id");
  const maxTokens = fields.integer("max_output_tokens");
  fields.done();
  const messages = Array.isArray(input) ? (input as JsonObject[]) : [{ role: "user", content: input }];
  const all = instructions === "" ? messages : [{ role: "system", content: instructions }, ...messages];
  const earlier = previous === undefined ? [] : [pod.responses.text(previous)];
  const parts = [...earlier, ...renderChat(all, json.tools)];
  const text = parts.join("");
  const limits: Limits = {
    maxTokens,
    parameter: "max_output_tokens",
    otherwise: pod.params.outputTokens,
    endsBy: "stop",
  };
  const prompts = (salt: string) => [promptOf(parts, pod.params.blockSize, salt, tokenizer(pod))];
  const shapeOf: ShapeOf = (head) =>
    json.store === false ? responsesShape(head) : pod.responses.keeping(`resp_${head.id}`, text, responsesShape(head));
  start(pod, request, response, { ...generation(), n: 1 }, prompts, limits, shapeOf);
};

export const embeddings: Handler = async (pod, request, response) => {
  const json = await body(request);
  const fields = new Fields(json);
  const inputs = promptInputs(fields, fields.required("input"), "input");
  const generation = generationFields(fields);
  const base64 = fields.string("encoding_format") === "base64";
  fields.done();
  const seeds = inputs.map(
    (input) => promptOf(JSON.stringify(input), 1, "", tokenizerOf("bytes", 4)).hashes.at(-1) ?? 0,
  );
  const limits: Limits = { maxTokens: undefined, parameter: "max_tokens", otherwise: 0, endsBy: "stop" };
  const shapeOf: ShapeOf = (head) => ({
    ...chatShape(head),
    whole: (_, usage) => embeddingsText(head, seeds, usage.prompt, base64),
  });
  start(pod, request, response, { ...generation(), stream: false, n: 1 }, promptsOf(pod, inputs), limits, shapeOf);
};

/** vLLM's /tokenize: the tokens of a prompt, or of a chat as the pod reads it. */
export const tokenize: Handler = async (pod, request, response) => {
  const json = await body(request);
  const fields = new Fields(json);
  const model = fields.string("model");
  const chat = json.messages !== undefined;
  const parts = chat
    ? renderChat(fields.list("messages") as JsonObject[], json.tools)
    : [String(fields.required("prompt"))];
  fields.done();
  pod.models.resolve(model);
  const { count, ids } = tokenizer(pod).encode(parts);
  // The last token of a fixed size may be shorter than the others, and then has no id of its own.
  const tokens = [...ids, ...new Array<number>(count - ids.length).fill(0)];
  send(pod, response, 200, JSON.stringify({ count, max_model_len: pod.params.maxModelLen, tokens, token_strs: null }));
};

/** Handles transcription and translation. The body is multipart and has `model` before or after the file. */
export const audio: Handler = async (pod, request, response) => {
  const bytes = await readBody(request);
  const boundary = boundaryOf(request.headers["content-type"]);
  const parts = boundary === null ? null : parseMultipart(bytes, boundary);
  if (parts === null) throw badRequest("There was an error parsing the body");
  const last = (name: string) => parts.findLast((part) => part.name === name);
  const file = last("file");
  if (file === undefined) {
    throw validationError([{ type: "missing", loc: ["body", "file"], msg: "Field required", input: null }]);
  }
  const asked: Generation = {
    model: last("model")?.data.toString("utf8"),
    stream: false,
    includeUsage: false,
    continuousUsage: false,
    n: 1,
    cacheSalt: "",
  };
  // Whisper's encoder has 1,500 positions for 30 s of sound, which is about 1 MB of plain samples.
  const tokens = Math.min(1500, Math.max(1, Math.ceil(file.data.length / 640)));
  const limits: Limits = { maxTokens: undefined, parameter: "max_tokens", otherwise: 16, endsBy: "stop" };
  const shapeOf: ShapeOf = (head) => ({
    ...chatShape(head),
    whole: (choices) =>
      JSON.stringify({
        text: fillerText(0, choices[0]?.tokens ?? 0),
        usage: { type: "duration", seconds: Math.ceil(tokens / 50) },
      }),
  });
  start(pod, request, response, asked, () => [{ tokens, hashes: new Float64Array(0) }], limits, shapeOf);
};

const tokenizer = ({ params }: PodState): Tokenizer => tokenizerOf(params.tokenizer, params.tokenBytes);

type PromptInput = string | number[];

/** Reads the prompts of a request: a string, a list of token ids, or a list of strings and lists of token ids. */
function promptInputs(fields: Fields, value: unknown, name: string): PromptInput[] {
  if (value === undefined || value === null) return [];
  const ids = (item: unknown): item is number[] => Array.isArray(item) && item.every((id) => Number.isInteger(id));
  if (typeof value === "string") return [value];
  if (ids(value) && value.length > 0) return [value];
  if (Array.isArray(value) && value.every((item) => typeof item === "string" || ids(item))) return value;
  fields.find("string_type", name, "Input should be a valid string", value);
  return [];
}

function promptsOf(pod: PodState, inputs: PromptInput[]): (salt: string) => Prompt[] {
  const { blockSize } = pod.params;
  return (salt) =>
    inputs.map((input) =>
      typeof input === "string"
        ? promptOf(input, blockSize, salt, tokenizer(pod))
        : promptOfIds(input, blockSize, salt),
    );
}

/**
 * Renders a chat as the parts of one text, as common chat templates do. An image or sound becomes a placeholder and the start of its URL.
 */
function renderChat(messages: JsonObject[], tools: unknown): string[] {
  const parts = Array.isArray(tools) && tools.length > 0 ? ["<|tools|>\n", JSON.stringify(tools), "\n"] : [];
  for (const message of messages) {
    parts.push(`<|${String(message?.role)}|>\n`, contentText(message?.content), "\n");
    if (message?.tool_calls !== undefined) parts.push(`${JSON.stringify(message.tool_calls)}\n`);
  }
  parts.push("<|assistant|>\n");
  return parts;
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return content === null || content === undefined ? "" : JSON.stringify(content);
  let text = "";
  for (const part of content) {
    text +=
      typeof part?.text === "string" ? part.text : `<|${String(part?.type)}|>${JSON.stringify(part).slice(0, 1024)}`;
  }
  return text;
}
