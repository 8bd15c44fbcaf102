// Hashes of a prompt's blocks, made while the body is scanned. Hash i is the hash of the first i + 1 blocks of the raw bytes of
// `messages`, `prompt` and `input`. The model and cache_salt are mixed in later (prefix-index.ts), because they may follow the
// prompt in the body.
//
//   digest(piece) = fold of four sums of (a + k) * (b + l) over the piece's 32-bit words a, b (the hash NH of UMAC);
//                   k and l change with each 32 bytes
//   chain(i) = mix(chain(i - 1) ^ digest(i))      for each piece of 512 bytes (64 for the scorers)
//
// Each piece is digested alone and chained by one multiplication, so the chain's latency is paid once for each piece. A block's
// hash is the chain at the block's end. Under profile "tokens" the first 64 blocks have one piece each, the next 64 blocks four
// pieces, and further blocks 16. So 256 blocks reach 1.2 MiB, some 300,000 tokens. The match of a long prompt is known in coarser
// steps, but not in a coarser fraction of its length.
//
// Memory: PROMPT_BYTES for each body that is being scanned and for each running prompt (running-prompts.ts), at most MAX_PROMPTS
// times. Further bodies get no prompt.
import {
  CACHED_KEY_SHIFT,
  MAX_PREFIX_BLOCKS,
  PIECE_BYTES,
  PREFIX_FOURFOLD_BLOCKS,
  PREFIX_SINGLE_BLOCKS,
  SMALL_PIECE_BYTES,
} from "../../../protocol/constants";
import { mix } from "../../base/hash";
import { ByteClasses } from "./byte-classes";

/** Bytes of a piece under profile "tokens", then for the scorers, which use the size of the Gateway API's endpoint picker. */
export const BLOCK_BYTES: u32 = PIECE_BYTES;
export const SMALL_BLOCK_BYTES: u32 = SMALL_PIECE_BYTES;
let block: u32 = BLOCK_BYTES;
const KEY_MASK: u64 = 0xffffffffffffffff >> <u64>CACHED_KEY_SHIFT;

/** Limit of the blocks that are hashed. A prompt's bytes beyond them are not hashed. */
export const MAX_BLOCKS: u32 = MAX_PREFIX_BLOCKS;
const SINGLE_BLOCKS: u32 = PREFIX_SINGLE_BLOCKS;
const FOURFOLD_BLOCKS: u32 = PREFIX_FOURFOLD_BLOCKS;
let single: u32 = SINGLE_BLOCKS;

/** Bytes of a piece. */
export function blockBytes(): u32 {
  return block;
}
/** Number of pieces in the block with this index. */
export function pieces(index: u32): u32 {
  return index < single ? 1 : index < FOURFOLD_BLOCKS ? 4 : 16;
}
/** Number of pieces in the first `blocks` blocks. */
export function piecesOf(blocks: u32): u32 {
  if (blocks <= single) return blocks;
  if (blocks <= FOURFOLD_BLOCKS) return SINGLE_BLOCKS + (blocks - SINGLE_BLOCKS) * 4;
  return SINGLE_BLOCKS + (FOURFOLD_BLOCKS - SINGLE_BLOCKS) * 4 + (blocks - FOURFOLD_BLOCKS) * 16;
}
/** Sets the bytes of a piece for all prompts of the VM. Must be called before the first prompt is opened. */
export function setBlockBytes(bytes: u32): void {
  block = bytes;
  single = bytes == BLOCK_BYTES ? SINGLE_BLOCKS : MAX_BLOCKS;
}

/** Limit of the prompts that are open at a time. */
export const MAX_PROMPTS: u32 = 1024;

/** A prompt, with the counts of all bytes of the hashed fields so far. */
@unmanaged
export class Prompt extends ByteClasses {
  chain: u64 = 0;
  next: usize = 0;
  /** Bytes of the last piece so far. The piece is not full. */
  fill: u32 = 0;
  /** Number of pieces that the last block still lacks. */
  lacks: u32 = 0;
  /** Number of full blocks. Only full blocks are hashed. */
  count: u32 = 0;
  /** Estimated tokens of a piece, in units of PREFIX_UNIT_TOKENS (prompt-tokens.ts). */
  units: u32 = 0;
  // Fields of a running prompt (running-prompts.ts): the stamp of its last use, its neighbours in the list, the hash of its model
  // and cache_salt, and the hash of its endpoint.
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

/** Opens a prompt. null: too many prompts are open; the request is picked without regard to cached blocks. */
export function openPrompt(): Prompt | null {
  if (!free) {
    if (made == MAX_PROMPTS) return null;
    made++;
    free = heap.alloc(PROMPT_BYTES);
    changetype<Prompt>(free).next = 0;
  }
  const prompt = changetype<Prompt>(free);
  free = prompt.next;
  prompt.clear();
  prompt.chain = 0x9e3779b97f4a7c15;
  prompt.fill = 0;
  prompt.lacks = 1;
  prompt.count = 0;
  prompt.units = 0;
  return prompt;
}

export function closePrompt(prompt: Prompt): void {
  prompt.next = free;
  free = changetype<usize>(prompt);
}

/** Hashes and counts the next bytes of the prompt. */
export function feedPrompt(prompt: Prompt, data: usize, length: u32): void {
  prompt.countBytes(data, length);
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

/** Address of the hashes of the blocks, a u64 each. */
export function promptHashes(prompt: Prompt): usize {
  return changetype<usize>(prompt) + HASHES;
}

/** Hash of the first `index` + 1 blocks. */
export function promptHash(prompt: Prompt, index: u32): u64 {
  return load<u64>(promptHashes(prompt) + index * 8);
}

/**
 * Key of the block with this hash: 48 bits, so that a refill has 16 further bits for each block. `seed`: the hash of model and
 * cache_salt.
 */
export function keyOfBlock(hash: u64, seed: u64): u64 {
  return (hash ^ seed) & KEY_MASK;
}

function addPiece(prompt: Prompt, from: usize): void {
  if (prompt.count == MAX_BLOCKS) return;
  prompt.chain = mix(prompt.chain ^ digest(from));
  if (--prompt.lacks) return;
  store<u64>(changetype<usize>(prompt) + HASHES + prompt.count++ * 8, prompt.chain);
  prompt.lacks = pieces(prompt.count);
}

/** k and l of the first 32 bytes, then the steps by which they change. Steps are odd, so no key repeats within a piece. */
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
