// Makes the multipart scanner a WebAssembly module, for its tests. It exports the scanner's functions, and has memory for a state.
import { MULTIPART_STATE_BYTES } from "../../../assembly/scan/multipart/multipart";

export {
  multipartErrorOffset,
  multipartFeed,
  multipartFirst,
  multipartInit,
  multipartKind,
  multipartSentence,
  multipartStatus,
  multipartValue,
  multipartValueEnd,
  multipartValueLength,
  multipartValueStart,
} from "../../../assembly/scan/multipart/multipart";

/** Bytes behind the state, which the tests watch for overruns. */
const GUARD_BYTES: i32 = 64;
export const state: usize = memory.data(MULTIPART_STATE_BYTES + GUARD_BYTES, 8);
export const stateBytes: u32 = MULTIPART_STATE_BYTES;
