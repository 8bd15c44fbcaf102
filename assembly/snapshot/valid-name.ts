// What a name may be: in a snapshot, and wherever it must equal one of a snapshot.
import { utf8Length } from "../scan/utf8";
import { SnapshotView } from "./view";

/** Well-formed UTF-8 without control characters: it may stand in a header, and is compared byte by byte. */
export function isName(text: usize, length: u32): bool {
  const end = text + length;
  while (text < end) {
    const c = load<u8>(text);
    if (c < 0x20 || c == 0x7f) return false;
    const size = utf8Length(text, end);
    if (size == 0) return false;
    text += size;
  }
  return true;
}

/** Whether a record names 1 to `most` bytes inside STRINGS that are a name. */
export function isNameAt(view: SnapshotView, offset: u32, length: u32, most: u32): bool {
  return length > 0 && length <= most && inStrings(view, offset, length) && isName(view.strings + offset, length);
}

/** The offset is the one of a record: an address that is made of it might wrap. */
export function inStrings(view: SnapshotView, offset: u32, length: u32): bool {
  return <u64>offset + length <= view.stringBytes;
}
