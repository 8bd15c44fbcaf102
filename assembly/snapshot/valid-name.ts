// Checks names in a snapshot, and names elsewhere that must equal a snapshot's name.
import { utf8Length } from "../scan/utf8";
import { SnapshotView } from "./view";

/** Whether a text is well-formed UTF-8 without control characters. So a name may be a header's value, and bytes compare names. */
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

/** Whether a record's offset and length name 1 to `most` bytes inside STRINGS that are a valid name. */
export function isNameAt(view: SnapshotView, offset: u32, length: u32, most: u32): bool {
  return length > 0 && length <= most && inStrings(view, offset, length) && isName(view.strings + offset, length);
}

/** Whether a text lies inside STRINGS. Compares offsets, because the address of an unchecked offset may wrap. */
export function inStrings(view: SnapshotView, offset: u32, length: u32): bool {
  return <u64>offset + length <= view.stringBytes;
}
