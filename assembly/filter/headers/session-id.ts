// The session that a request names in a header or a cookie. The filter keeps only the hash of the session's name.
import { bytesEqual } from "../../base/bytes";
import { textHash } from "../../base/hash";
import { SessionSettings } from "../../config/pick-config";
import { HEAD_COOKIE, HEAD_SESSION, headHas, headLength, headPointer } from "./request-head";

/** Call after readHead(). Returns the session's hash; 0: the request names no session. */
export function sessionOf(config: SessionSettings): u64 {
  if (headHas(HEAD_SESSION) && headLength(HEAD_SESSION) > 0)
    return textHash(headPointer(HEAD_SESSION), headLength(HEAD_SESSION));
  return headHas(HEAD_COOKIE) && config.cookie.length > 0 ? inCookie(config) : 0;
}

/** Returns the hash of the session's cookie, or 0.  cookie = name "=" value { ";" " " name "=" value } */
function inCookie(config: SessionSettings): u64 {
  const name = config.cookie;
  const end = headPointer(HEAD_COOKIE) + headLength(HEAD_COOKIE);
  let at = headPointer(HEAD_COOKIE);
  while (at < end) {
    while (at < end && load<u8>(at) == 0x20) at++;
    let stop = at;
    while (stop < end && load<u8>(stop) != 0x3b) stop++;
    const value = at + name.length;
    if (value < stop && bytesEqual(at, name.length, name.pointer, name.length))
      return textHash(value, <u32>(stop - value));
    at = stop + 1;
  }
  return 0;
}
