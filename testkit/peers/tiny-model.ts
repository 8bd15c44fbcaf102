// A model of one layer without weights, for servers that need a model's files: Dynamo's mocker engines, and vLLM with dummy weights.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The tokenizer's bytes per token, on text of lower-case letters, digits and spaces. */
export const TINY_TOKEN_BYTES = 3;

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 ";
const SPECIAL = ["<unk>", "<s>", "</s>"];

/** Writes a model without weights into a new folder: configuration and tokenizer. */
export async function writeTinyModel(folder: string): Promise<void> {
  const pieces = [...LETTERS].flatMap((a) => [...LETTERS].flatMap((b) => [...LETTERS].map((c) => a + b + c)));
  const words = [...SPECIAL, ...pieces];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokenizer = {
    version: "1.0",
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: `[\\s\\S]{1,${TINY_TOKEN_BYTES}}` },
      behavior: "Isolated",
      invert: false,
    },
    decoder: { type: "Fuse" },
    model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, i) => [word, i])), unk_token: "<unk>" },
  };
  const template = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}\n{% endfor %}";
  const files = {
    "tokenizer.json": { truncation: null, padding: null, normalizer: null, post_processor: null, ...tokenizer },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      ...{ bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" },
      chat_template: template,
    },
    "config.json": {
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
      vocab_size: words.length,
      max_position_embeddings: 131_072,
      ...{ bos_token_id: 1, eos_token_id: 2, torch_dtype: "bfloat16" },
      ...{
        hidden_size: 64,
        intermediate_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        num_key_value_heads: 1,
      },
    },
  };
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(content));
}
