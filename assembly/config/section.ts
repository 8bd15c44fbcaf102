// A section: an object of the configuration with a known set of keys. The classes in generated/ fill their fields from a section. They
// read each key once, and then call end(), which finds keys that were not read. A reader returns the default `usual` when the key is
// not given. It adds a problem when the value is wrong.
import { JSON } from "json-as";
import { Given } from "./given";
import { Problems } from "./problems";

export class Section {
  private object: JSON.Obj;
  /** The keys that were read. These are the section's known keys. */
  private known: string[] = [];

  /** `at` is the section's key; empty for the whole configuration. `given` is the object; null: the object is not given. */
  constructor(
    public problems: Problems,
    public at: string,
    given: Given | null,
  ) {
    this.object = given === null ? new JSON.Obj() : given.object;
  }

  /** Returns the key's value; null: the key is not given. `former` is a former name of the key, which still works. */
  find(key: string, former: string = ""): Given | null {
    this.known.push(key);
    let name = key;
    let value = this.object.get(key);
    if (former.length && this.object.get(former) !== null) {
      this.known.push(former);
      this.problems.renamed(this.nameOf(former), this.nameOf(key), value !== null);
      name = former;
      value = this.object.get(former);
    }
    return value === null ? null : new Given(this.problems, this.nameOf(name), value);
  }

  /** Returns the value of the first of `keys` that is given. The keys are alternative names of one value. */
  findAny(keys: string[]): Given | null {
    let found: Given | null = null;
    for (let i = 0; i < keys.length; i++) {
      const given = this.find(keys[i]);
      if (found === null) found = given;
    }
    return found;
  }

  has(key: string): bool {
    return this.object.get(key) !== null;
  }

  private nameOf(key: string): string {
    return this.at.length ? `${this.at}.${key}` : key;
  }

  boolean(key: string, usual: bool): bool {
    const given = this.find(key);
    if (given === null) return usual;
    if (given.value.type == JSON.Types.Bool) return given.value.get<bool>();
    given.wrong("true or false");
    return usual;
  }

  /** Reads a whole number from `min` to `max`. */
  integer(key: string, usual: u32, min: u32, max: u32): u32 {
    const given = this.find(key);
    if (given === null) return usual;
    const number = given.number;
    if (number >= <f64>min && number <= <f64>max && number == Math.floor(number)) return <u32>number;
    given.wrong(`a whole number from ${min} to ${max}`);
    return usual;
  }

  /** Reads a duration. All numbers are milliseconds. */
  duration(key: string, usual: u32, min: u32, max: u32, former: string = ""): u32 {
    const given = this.find(key, former);
    return given === null ? usual : given.duration(min, max);
  }

  /** Reads one of `choices` and returns its index. */
  choice(key: string, usual: i32, choices: string[]): i32 {
    const given = this.find(key);
    if (given === null) return usual;
    const index = choices.indexOf(given.text);
    if (index >= 0) return index;
    given.wrong(`one of ${choices.join(", ")}`);
    return usual;
  }

  /** Reads one of `choices` and returns its text. */
  choiceText(key: string, usual: string, choices: string[]): string {
    const index = this.choice(key, -1, choices);
    return index < 0 ? usual : choices[index];
  }

  /** Returns the section under a key of this section. Without the key the result is a section in which no key is given. */
  section(key: string): Section {
    return new Section(this.problems, this.nameOf(key), this.find(key));
  }

  /** Reads a list of at most `max` objects. */
  sections(key: string, max: i32): Section[] {
    const sections: Section[] = [];
    const given = this.find(key);
    if (given === null) return sections;
    const entries = given.list(max);
    for (let i = 0; i < entries.length; i++) sections.push(new Section(this.problems, entries[i].key, entries[i]));
    return sections;
  }

  /** Adds a problem if the key is not given. */
  require(key: string, expected: string): void {
    this.requireAny([key], expected);
  }

  requireAny(keys: string[], expected: string): void {
    for (let i = 0; i < keys.length; i++) if (this.has(keys[i])) return;
    this.problems.add(`${this.nameOf(keys[0])}: missing, ${expected} is expected`);
  }

  /** Call after the last key was read. Adds a problem for each given key that was not read. */
  end(): void {
    const keys = this.object.keys();
    for (let i = 0; i < keys.length; i++)
      if (!this.known.includes(keys[i]))
        this.problems.add(`${this.nameOf(keys[i])}: this key is not known; known are ${this.known.join(", ")}`);
  }
}
