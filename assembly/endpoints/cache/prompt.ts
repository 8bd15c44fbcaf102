// Hashes of a prompt's blocks, made while the body is scanned: hash i stands for the first i + 1 blocks of the raw bytes
// of `messages`, `prompt` and `input`, as they are written. The model and cache_salt come in later (prefix-index.ts), because
// they may stand behind the prompt.
//
//   digest(block) = fold of four sums of (a + k) * (b + l) over its 32-bit words a, b (NH, of UMAC); k, l move on with each 32 bytes
//   chain(i) = mix(chain(i - 1) ^ digest(i))      for each 512 bytes (64 for the scorers)
//
// Pieces are digested by themselves and chained by one multiply, so the chain's latency is paid once per piece. A block's
// hash is the chain at its end. Of profile "tokens" the first 64 blocks have one piece, the next 64 have four, and further ones 16:
// so 256 blocks reach 1.2 MiB, some 300,000 tokens, and the end of a long prompt is known less exactly, but as exactly for its
// length.
//
// Memory: PROMPT_BYTES for each body that is being scanned, and each request that is followed (running-prompts.ts), MAX_PROMPTS of
// them; further bodies go without.
import { mix } from "../../base/hash";

/** Of a piece, which the first blocks are one of: of profile "tokens", and of the scorers, as the endpoint picker's. */
export const BLOCK_BYTES: u32 = 512;
export const SMALL_BLOCK_BYTES: u32 = 64;
let block: u32 = BLOCK_BYTES;

/** Bytes of a prompt for each token: an estimate, the same as that of the Gateway API's endpoint picker. */
export const TOKEN_BYTES: u32 = 4;

/** Tokens of a prompt of that many bytes. */
export function tokensOf(bytes: u32): i32 {
  return <i32>(bytes / TOKEN_BYTES);
}

/** What is beyond is not hashed. */
export const MAX_BLOCKS: u32 = 256;
const SINGLE_BLOCKS: u32 = 64;
const FOURFOLD_BLOCKS: u32 = 128;
let single: u32 = SINGLE_BLOCKS;

export function blockBytes(): u32 {
  return block;
}
/** Pieces of that many bytes that a block has, by its place in the prompt. */
export function pieces(index: u32): u32 {
  return index < single ? 1 : index < FOURFOLD_BLOCKS ? 4 : 16;
}
/** Pieces of that many blocks, from the first one on. */
export function piecesOf(blocks: u32): u32 {
  if (blocks <= single) return blocks;
  if (blocks <= FOURFOLD_BLOCKS) return SINGLE_BLOCKS + (blocks - SINGLE_BLOCKS) * 4;
  return SINGLE_BLOCKS + (FOURFOLD_BLOCKS - SINGLE_BLOCKS) * 4 + (blocks - FOURFOLD_BLOCKS) * 16;
}
/** For all prompts of the VM: before the first one. */
export function setBlockBytes(bytes: u32): void {
  block = bytes;
  single = bytes == BLOCK_BYTES ? SINGLE_BLOCKS : MAX_BLOCKS;
}

export const MAX_PROMPTS: u32 = 1024;

@unmanaged
export class Prompt {
  chain: u64 = 0;
  next: usize = 0;
  /** Of the hashed fields, all of them. */
  bytes: u32 = 0;
  /** Bytes of the piece that is not full yet. */
  fill: u32 = 0;
  /** Pieces that the block lacks. */
  lacks: u32 = 0;
  /** Full blocks, hashed. */
  count: u32 = 0;
  // running-prompts.ts: where it was sent, of which model and cache_salt, and when it was last used; `next` and `before` link them
  stamp: u32 = 0;
  before: usize = 0;
  seed: u64 = 0;
  endpoint: u64 = 0;
}

const PARTIAL: usize = offsetof<Prompt>();
const HASHES: usize = PARTIAL + <usize>BLOCK_BYTES;
const PROMPT_BYTES: usize = HASHES + <usize>MAX_BLOCKS * 8;

let free: usize = 0;
let made: u32 = 0;

/** null when too many bodies are being scanned: the request is picked without affinity. */
export function openPrompt(): Prompt | null {
  if (!free) {
    if (made == MAX_PROMPTS) return null;
    made++;
    free = heap.alloc(PROMPT_BYTES);
    changetype<Prompt>(free).next = 0;
  }
  const prompt = changetype<Prompt>(free);
  free = prompt.next;
  prompt.chain = 0x9e3779b97f4a7c15;
  prompt.bytes = 0;
  prompt.fill = 0;
  prompt.lacks = 1;
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
    addPiece(prompt, partial);
    prompt.fill = 0;
  }
  while (at + block <= end && prompt.count < MAX_BLOCKS) {
    addPiece(prompt, at);
    at += block;
  }
  if (prompt.count == MAX_BLOCKS || at == end) return;
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

function addPiece(prompt: Prompt, from: usize): void {
  if (prompt.count == MAX_BLOCKS) return;
  prompt.chain = mix(prompt.chain ^ digest(from));
  if (--prompt.lacks) return;
  store<u64>(changetype<usize>(prompt) + HASHES + prompt.count++ * 8, prompt.chain);
  prompt.lacks = pieces(prompt.count);
}

/** k and l of the first 32 bytes, and what they move on by: odd, so that none comes again within a block. */
const KEYS: usize = memory.data<u64>(
  [
    0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93, 0x9fb21c651e98df25,
    0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0x27d4eb2f165667c5,
  ],
  16,
);

function digest(from: usize): u64 {
  let k = v128.load(KEYS);
  let l = v128.load(KEYS, 16);
  const nextK = v128.load(KEYS, 32);
  const nextL = v128.load(KEYS, 48);
  let low = k;
  let high = l;
  const end = from + block;
  do {
    const a = i32x4.add(v128.load(from), k);
    const b = i32x4.add(v128.load(from, 16), l);
    k = i32x4.add(k, nextK);
    l = i32x4.add(l, nextL);
    const c = i32x4.add(v128.load(from, 32), k);
    const d = i32x4.add(v128.load(from, 48), l);
    k = i32x4.add(k, nextK);
    l = i32x4.add(l, nextL);
    low = i64x2.add(low, i64x2.add(i64x2.extmul_low_i32x4_u(a, b), i64x2.extmul_low_i32x4_u(c, d)));
    high = i64x2.add(high, i64x2.add(i64x2.extmul_high_i32x4_u(a, b), i64x2.extmul_high_i32x4_u(c, d)));
    from += 64;
  } while (from < end);
  return (
    i64x2.extract_lane(low, 0) ^
    rotl(i64x2.extract_lane(low, 1), 16) ^
    rotl(i64x2.extract_lane(high, 0), 32) ^
    rotl(i64x2.extract_lane(high, 1), 48)
  );
}
