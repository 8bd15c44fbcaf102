// The part `pick.session` of the configuration: requests of one session go to one endpoint (pick/session.ts).
//
//   pick.session.header   x-session-id   header that names the session; "": none does
//   pick.session.cookie   none   cookie that names it where the header does not
import { JSON } from "json-as";
import { Bytes, bytesOf } from "../base/bytes";
import { fail, failKey, isString, readHeaderName, readObject } from "./values";

export class SessionConfig {
  /** Length 0: none. */
  header: Bytes = bytesOf("x-session-id");
  /** The name with its "="; length 0: none. */
  cookie: Bytes = bytesOf("");
}

export function readSession(config: SessionConfig, value: JSON.Value): void {
  const session = readObject("pick.session", value);
  const keys = session.keys();
  for (let i = 0; i < keys.length; i++) {
    const name = `pick.session.${keys[i]}`;
    const given = session.get(keys[i])!;
    const none = isString(given) && !given.get<string>().length;
    if (keys[i] == "header") config.header = bytesOf(none ? "" : readHeaderName(name, given));
    else if (keys[i] == "cookie") config.cookie = bytesOf(none ? "" : readCookieName(name, given));
    else failKey(name, "header, cookie");
  }
}

/** 1...128 letters, digits and -_. ; with a "=" behind it. */
function readCookieName(key: string, value: JSON.Value): string {
  const given = isString(value) ? value.get<string>() : "";
  let valid = given.length >= 1 && given.length <= 128;
  for (let i = 0; i < given.length && valid; i++) {
    const c = given.charCodeAt(i) | 0x20;
    valid = (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || "-_.".indexOf(given.charAt(i)) >= 0;
  }
  if (valid) return `${given}=`;
  fail(key, value, "the name of a cookie, letters, digits and -_.");
  return "x=";
}
