// Reads the values of `pick.config`.
import { JSON } from "json-as";
import { Given } from "./given";

const KIND = "EndpointPickerConfig";

/** Returns whether the document's `kind` is EndpointPickerConfig. */
export function readKind(given: Given): bool {
  if (given.text == KIND) return true;
  given.wrong(KIND);
  return false;
}

export function readText(given: Given, expected: string): string {
  if (!given.isText) given.wrong(expected);
  return given.text;
}

/** Reads a weight; null stands for 1. */
export function readWeight(given: Given): f64 {
  if (given.value.type == JSON.Types.Null) return 1;
  const number = given.number;
  if (number >= 0 && number <= 1e6) return number;
  given.wrong("a number from 0 to 1000000");
  return 1;
}
