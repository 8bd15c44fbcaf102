// What is known of a request when its endpoint is picked.

@unmanaged
export class PickInput {
  /** Nanoseconds since the epoch. */
  now: u64 = 0;
  /** Hash of the model's name. */
  model: u64 = 0;
  /** Hash of model and cache_salt. */
  seed: u64 = 0;
  /** Hash of the session's name; 0: the request names no session. */
  session: u64 = 0;
  /** Prompt (endpoints/cache/prompt.ts); 0: the body was not hashed. */
  prompt: usize = 0;
  /** Tokens of the whole prompt. */
  tokens: i32 = 0;
  /** Milliseconds since the snapshot came. */
  snapshotAge: u32 = 0;
}

export function newPickInput(): PickInput {
  const input = changetype<PickInput>(heap.alloc(offsetof<PickInput>()));
  memory.fill(changetype<usize>(input), 0, offsetof<PickInput>());
  return input;
}
