// Hashes of a prompt's blocks, made while the body is scanned: hash i stands for the first i + 1 blocks of the raw bytes
// of `messages`, `prompt` and `input`, as they are written. The model and cache_salt come in later (prefix.ts), because
// they may stand behind the prompt.
//
//   digest(block) = fold of four multiply chains over its words           hash(i) = mix(hash(i - 1) ^ digest(i))
//
// Blocks are digested by themselves and chained by one multiply, so the chain's latency is paid once per block.
// Memory: PROMPT_BYTES for each body that is being scanned, MOST_PROMPTS of them; further bodies go without.
import { mix } from "./entries";

/** Of profile "tokens". The scorers' blocks have 64, as the endpoint picker's. */
export const BLOCK_BYTES: u32 = 512;
export const SMALL_BLOCK_BYTES: u32 = 64;
let block: u32 = BLOCK_BYTES;

export function blockBytes(): u32 {
  return block;
}
/** For all prompts of the VM: before the first one. */
export function setBlockBytes(bytes: u32): void {
  block = bytes;
}

/** Blocks beyond are not hashed: 128 KiB, some 32,000 tokens. */
export const MOST_BLOCKS: u32 = 256;
const MOST_PROMPTS: u32 = 512;

@unmanaged
export class Prompt {
  chain: u64 = 0;
  next: usize = 0;
  /** Of the hashed fields, all of them. */
  bytes: u32 = 0;
  /** Bytes of the block that is not full yet. */
  fill: u32 = 0;
  /** Full blocks, hashed. */
  count: u32 = 0;
}

const PARTIAL: usize = offsetof<Prompt>();
const HASHES: usize = PARTIAL + <usize>BLOCK_BYTES;
const PROMPT_BYTES: usize = HASHES + <usize>MOST_BLOCKS * 8;

let free: usize = 0;
let made: u32 = 0;

/** null when too many bodies are being scanned: the request is picked without affinity. */
export function openPrompt(): Prompt | null {
  if (!free) {
    if (made == MOST_PROMPTS) return null;
    made++;
    free = heap.alloc(PROMPT_BYTES);
    changetype<Prompt>(free).next = 0;
  }
  const prompt = changetype<Prompt>(free);
  free = prompt.next;
  prompt.chain = 0x9e3779b97f4a7c15;
  prompt.bytes = 0;
  prompt.fill = 0;
  prompt.count = 0;
  return prompt;
}

export function closePrompt(prompt: Prompt): void {
  prompt.next = free;
  free = changetype<usize>(prompt);
}

/** The next bytes of the prompt. */
export function feedPrompt(prompt: Prompt, data: usize, length: u32): void {
  prompt.bytes += length;
  let at = data;
  const end = data + length;
  const partial = changetype<usize>(prompt) + PARTIAL;
  if (prompt.fill > 0) {
    const take = min<u32>(block - prompt.fill, length);
    memory.copy(partial + prompt.fill, at, take);
    prompt.fill += take;
    at += take;
    if (prompt.fill < block) return;
    addBlock(prompt, partial);
    prompt.fill = 0;
  }
  while (at + block <= end && prompt.count < MOST_BLOCKS) {
    addBlock(prompt, at);
    at += block;
  }
  if (prompt.count == MOST_BLOCKS || at == end) return;
  prompt.fill = <u32>(end - at);
  memory.copy(partial, at, prompt.fill);
}

/** Where the hashes lie, 8 bytes each. */
export function promptHashes(prompt: Prompt): usize {
  return changetype<usize>(prompt) + HASHES;
}

/** Hash of the first `index` + 1 blocks. */
export function promptHash(prompt: Prompt, index: u32): u64 {
  return load<u64>(promptHashes(prompt) + index * 8);
}

function addBlock(prompt: Prompt, from: usize): void {
  if (prompt.count == MOST_BLOCKS) return;
  prompt.chain = mix(prompt.chain ^ digest(from));
  store<u64>(changetype<usize>(prompt) + HASHES + prompt.count++ * 8, prompt.chain);
}

function digest(from: usize): u64 {
  let a: u64 = 0x9e3779b97f4a7c15;
  let b: u64 = 0xbf58476d1ce4e5b9;
  let c: u64 = 0x94d049bb133111eb;
  let d: u64 = 0xd6e8feb86659fd93;
  for (let i: usize = 0; i < <usize>block; i += 32) {
    a = (a ^ load<u64>(from + i)) * 0x9fb21c651e98df25;
    b = (b ^ load<u64>(from + i, 8)) * 0x9fb21c651e98df25;
    c = (c ^ load<u64>(from + i, 16)) * 0x9fb21c651e98df25;
    d = (d ^ load<u64>(from + i, 24)) * 0x9fb21c651e98df25;
    // A multiply only carries upwards: the high bits have to come down again.
    a ^= a >> 32;
    b ^= b >> 32;
    c ^= c >> 32;
    d ^= d >> 32;
  }
  return a ^ rotl(b, 16) ^ rotl(c, 32) ^ rotl(d, 48);
}
