// What a pick knows of its request.

@unmanaged
export class PickInput {
  /** Nanoseconds since the epoch. */
  now: u64 = 0;
  /** Hash of the name of the request's model. */
  model: u64 = 0;
  /** Hash of model and cache_salt. */
  seed: u64 = 0;
  /** Hash of the session's name; 0: the request names no session. */
  session: u64 = 0;
  /** Address of the Prompt (endpoints/cache/prompt.ts); 0: the body was not hashed. */
  prompt: usize = 0;
  /** Tokens of the whole prompt, and mean tokens of a piece of the prompt (endpoints/cache/prompt-tokens.ts). */
  tokens: i32 = 0;
  pieceTokens: f32 = 0;
  /** Milliseconds since the snapshot came. */
  snapshotAge: u32 = 0;
}

export function newPickInput(): PickInput {
  const input = changetype<PickInput>(heap.alloc(offsetof<PickInput>()));
  memory.fill(changetype<usize>(input), 0, offsetof<PickInput>());
  return input;
}
