// What is wrong with a configuration.
import { JSON } from "json-as";

export class Problems {
  /** The first problem: a sentence with key, value and expectation. Empty while nothing is wrong. */
  first: string = "";
  /** What works, but should be changed: a sentence for each. */
  warnings: string[] = [];

  add(text: string): void {
    if (!this.first.length) this.first = text;
  }

  /** A value that is not what is expected. The sentence ends with "is expected". */
  wrong(key: string, value: JSON.Value, expected: string): void {
    let given = JSON.stringify(value);
    if (mayHoldSecret(key, value)) given = "a value that is not shown";
    if (given.length > 80) given = given.substring(0, 80) + "...";
    this.add(`${key}: ${given} given, ${expected} is expected`);
  }

  /** A key that is given under its former name. Both names at once are a problem. */
  renamed(former: string, now: string, both: bool): void {
    if (both) this.add(`${former}: given beside ${now}, one of them is expected`);
    else this.warnings.push(`${former}: this key is now called ${now}; the former name still works`);
  }
}

/** A secret that stands in the wrong place is not shown. */
function mayHoldSecret(key: string, value: JSON.Value): bool {
  if (!key.startsWith("snapshot")) return false;
  const type = value.type;
  return type == JSON.Types.Object || type == JSON.Types.Array || (key == "snapshot" && type == JSON.Types.String);
}
