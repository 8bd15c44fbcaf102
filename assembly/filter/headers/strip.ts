// Removes the control headers that a client sent. No other file does so. Control headers are the gateway's own headers, and the
// headers that the filter writes a body field to. The filter removes them at the request's headers, before it decides anything else.
// Two gaps remain: a stream without a root goes on unchanged (main.ts), and if the host does not return the headers, the filter
// finds none of them (request-head.ts).
import { Bytes, bytesEqual } from "../../base/bytes";
import { AdmissionConfig } from "../../config/admission-config";
import { BodyConfig } from "../../config/body-config";
import { Config } from "../../config/config";
import { getHeader, REQUEST_HEADERS, removeHeader } from "../../host/calls";
import { count, STRIPPED } from "../../stats";
import { BASE_MODEL, DEBUG, DESTINATION, FAIRNESS, MODEL, OBJECTIVE } from "./header-names";
import {
  HEAD_BASE_MODEL,
  HEAD_DEBUG,
  HEAD_DESTINATION,
  HEAD_FAIRNESS,
  HEAD_MODEL,
  HEAD_OBJECTIVE,
  headHas,
  readHead,
} from "./request-head";

/** Removes the control headers and reads the head, which stays valid until the next host call that returns bytes. */
export function stripAndReadHead(config: Config): void {
  // The configuration's headers are removed first, because the host call that looks for such a header overwrites the head.
  const own = hasOwnHeaders(config.body) && removeOwn(config.body);
  readHead(config.pick.session.header);
  const controls =
    removeRead(HEAD_MODEL, MODEL) | removeRead(HEAD_BASE_MODEL, BASE_MODEL) | removeRead(HEAD_DESTINATION, DESTINATION);
  if (controls || own) count(STRIPPED);
}

/** Removes the debug secret, which only the filter may see. */
export function removeDebug(): void {
  removeRead(HEAD_DEBUG, DEBUG);
}

/** Removes the objective and the fairness id, unless the configuration lets endpoints see them. */
export function removeAdmission(config: AdmissionConfig): void {
  if (!config.strip) return;
  removeRead(HEAD_OBJECTIVE, OBJECTIVE);
  removeRead(HEAD_FAIRNESS, FAIRNESS);
}

function hasOwnHeaders(body: BodyConfig): bool {
  if (body.fields.length > 1) return true;
  const header = body.fields[0].header;
  return !bytesEqual(header.pointer, header.length, MODEL.pointer, MODEL.length);
}

/** Removes the headers that the configuration names. Returns whether the client sent one. */
function removeOwn(body: BodyConfig): bool {
  let found = false;
  for (let i = 0; i < body.fields.length; i++) {
    const name: Bytes = unchecked(body.fields[i]).header;
    if (name.length == 0 || !getHeader(REQUEST_HEADERS, name)) continue;
    removeHeader(REQUEST_HEADERS, name);
    found = true;
  }
  return found;
}

/** Removes a header that readHead() found. The head stays valid. Returns whether the request had the header. */
function removeRead(head: u32, name: Bytes): bool {
  if (!headHas(head)) return false;
  removeHeader(REQUEST_HEADERS, name);
  return true;
}
