// Compiled by asc for the multipart scanner's tests: the interface as wasm exports, and memory to put things in.
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

export const state: usize = memory.data(1024, 8);
export const stateBytes: u32 = MULTIPART_STATE_BYTES;
