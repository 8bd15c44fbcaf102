// Collects the problems of a configuration.
import { JSON } from "json-as";

export class Problems {
  /** The first problem: a sentence with key, value and expectation. Empty while nothing is wrong. */
  first: string = "";
  /** One sentence for each thing that works but that the user should change. */
  warnings: string[] = [];

  add(text: string): void {
    if (!this.first.length) this.first = text;
  }

  /** Adds a problem: the key's value is not what `expected` describes. The sentence ends with "is expected". */
  wrong(key: string, value: JSON.Value, expected: string): void {
    let given = JSON.stringify(value);
    if (mayHoldSecret(key, value)) given = "a value that is not shown";
    if (given.length > 80) given = given.substring(0, 80) + "...";
    this.add(`${key}: ${given} given, ${expected} is expected`);
  }

  /** Adds a warning: a key is given under its former name. `both`: the key is given under both names, which is a problem. */
  renamed(former: string, now: string, both: bool): void {
    if (both) this.add(`${former}: given beside ${now}, one of them is expected`);
    else this.warnings.push(`${former}: this key is now called ${now}; the former name still works`);
  }
}

/** Returns whether a wrong value may be a secret under the wrong key. An error sentence does not show such a value. */
function mayHoldSecret(key: string, value: JSON.Value): bool {
  if (!key.startsWith("snapshot")) return false;
  const type = value.type;
  return type == JSON.Types.Object || type == JSON.Types.Array || (key == "snapshot" && type == JSON.Types.String);
}
