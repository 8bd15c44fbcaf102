// A value of the configuration, with its key. Each method reads the value as one type. A method's comment names the problems that the
// method adds.
import { JSON } from "json-as";
import { Problems } from "./problems";

export class Given {
  constructor(
    public problems: Problems,
    /** The value's path, such as `models.rules[0].name`. The whole configuration has the key `configuration`. */
    public key: string,
    public value: JSON.Value,
  ) {}

  get isText(): bool {
    return this.value.type == JSON.Types.String;
  }

  get isList(): bool {
    return this.value.type == JSON.Types.Array;
  }

  /** The text; empty if the value is not a text. */
  get text(): string {
    return this.isText ? this.value.get<string>() : "";
  }

  /** The number; NaN if the value is not a number. */
  get number(): f64 {
    return this.value.type == JSON.Types.F64 ? this.value.get<f64>() : NaN;
  }

  /** The object. Adds a problem, and returns an empty object, if the value is not an object. */
  get object(): JSON.Obj {
    if (this.value.type == JSON.Types.Object) return this.value.get<JSON.Obj>();
    this.wrong("an object");
    return new JSON.Obj();
  }

  /** Returns at most `max` entries of a list. Adds a problem for a longer list, or if the value is not a list. */
  list(max: i32): Given[] {
    const entries: Given[] = [];
    if (!this.isList) {
      this.wrong("a list");
      return entries;
    }
    const list = this.value.get<JSON.Arr>();
    if (list.length > max) this.problems.add(`${this.key}: ${list.length} given, at most ${max} are expected`);
    for (let i = 0; i < list.length && i < max; i++)
      entries.push(new Given(this.problems, `${this.key}[${i}]`, list.at(i)));
    return entries;
  }

  /** Adds a problem: the value is not what `expected` describes. */
  wrong(expected: string): void {
    this.problems.wrong(this.key, this.value, expected);
  }

  /** Returns the milliseconds of a duration such as "250ms" or "2s". Adds a problem outside [min, max], which are milliseconds. */
  duration(min: u32, max: u32): u32 {
    const milliseconds = durationOf(this.text);
    if (milliseconds >= <i64>min && milliseconds <= <i64>max) return <u32>milliseconds;
    this.wrong(`a duration from "${min}ms" to "${max}ms", such as "250ms" or "2s",`);
    return min;
  }
}

/** Returns milliseconds; -1 for a text that is not a duration. */
function durationOf(given: string): i64 {
  const unit: i64 = given.endsWith("ms") ? 1 : given.endsWith("s") ? 1000 : 0;
  const digits = given.length - (unit == 1 ? 2 : 1);
  if (unit == 0 || digits < 1 || digits > 9) return -1;
  let number: i64 = 0;
  for (let i = 0; i < digits; i++) {
    const digit = given.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number * unit;
}
