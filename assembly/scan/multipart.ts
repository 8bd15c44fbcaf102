export const MULTIPART_STATE_BYTES: u32 = 64;
export function multipartInit(s: usize, c: usize, l: u32): bool {
  return true;
}
export function multipartFeed(s: usize, c: usize, l: u32, last: bool): u32 {
  return l;
}
export function multipartStatus(s: usize): i32 {
  return 0;
}
export function multipartErrorOffset(s: usize): u32 {
  return 0;
}
export function multipartSentence(s: i32): string {
  return "";
}
export function multipartKind(s: usize): u32 {
  return 0;
}
export function multipartValue(s: usize): usize {
  return s;
}
export function multipartValueLength(s: usize): u32 {
  return 0;
}
export function multipartValueStart(s: usize): u32 {
  return 0;
}
export function multipartValueEnd(s: usize): u32 {
  return 0;
}
