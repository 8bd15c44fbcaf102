// Reads paths.
import { RESERVED_PREFIX } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { addTemplate } from "../route/paths";
import { Given } from "./given";

const MODEL = "{model}";

export function readReservedPath(given: Given): string {
  const path = given.text;
  if (path.startsWith(RESERVED_PREFIX) && path.length <= 256 && !path.includes("?")) return path;
  given.wrong(`a path under ${RESERVED_PREFIX} without a query, at most 256 characters,`);
  return path;
}

/** Reads path templates for modelInPath(). Each template has {model} once. Returns 0 without any template. */
export function readPaths(given: Given, max: i32): usize {
  const list = given.list(max);
  let templates: usize = 0;
  for (let i = 0; i < list.length; i++) {
    const template = list[i].text;
    const at = template.indexOf(MODEL);
    if (!template.startsWith("/") || at < 1 || template.indexOf(MODEL, at + 1) >= 0 || template.length > 256) {
      list[i].wrong(`a path that begins with / and has ${MODEL} once`);
      continue;
    }
    const before = bytesOf(template.substring(0, at));
    const after = bytesOf(template.substring(at + MODEL.length));
    templates = addTemplate(templates, before.pointer, before.length, after.pointer, after.length);
  }
  return templates;
}
