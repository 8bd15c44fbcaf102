import { copyUpdate, dropUpdate, updateWaiting } from "../../../assembly/endpoints/cache/prefix-updates";

/** Moves all prefix updates that wait to be published to `target`. Returns the number of bytes. */
export function takeUpdate(target: usize): u32 {
  const bytes = copyUpdate(target, updateWaiting());
  dropUpdate(bytes);
  return bytes;
}
