// The part `paths` of the configuration: a list of templates, each with {model} once.
import { JSON } from "json-as";
import { bytesOf } from "../base/bytes";
import { addTemplate } from "../route/paths";
import { fail, isString, readArray, report } from "./values";

const MAX_TEMPLATES = 16;
const PLACE = "{model}";

export function readPaths(value: JSON.Value): usize {
  const list = readArray("paths", value);
  if (list.length > MAX_TEMPLATES)
    report(`paths: ${list.length} templates given, at most ${MAX_TEMPLATES} are expected`);
  let templates: usize = 0;
  for (let i = 0; i < list.length; i++) {
    const template = isString(list.at(i)) ? list.at(i).get<string>() : "";
    const place = template.indexOf(PLACE);
    if (!template.startsWith("/") || place < 1 || template.indexOf(PLACE, place + 1) >= 0 || template.length > 256) {
      fail(`paths[${i}]`, list.at(i), "a path that begins with / and has {model} once");
      continue;
    }
    const before = bytesOf(template.substring(0, place));
    const after = bytesOf(template.substring(place + PLACE.length));
    templates = addTemplate(templates, before.pointer, before.length, after.pointer, after.length);
  }
  return templates;
}
