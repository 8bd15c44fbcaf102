// An object of the configuration whose keys are known. The classes in generated/ fill themselves from a section: each key is read
// once, and end() finds the keys that nobody read. For a wrong value a read adds a problem and returns the default.
import { JSON } from "json-as";
import { Given } from "./given";
import { Problems } from "./problems";

export class Section {
  private object: JSON.Obj;
  /** The keys that were asked for: those that are known. */
  private known: string[] = [];

  /** null: no key is given. */
  constructor(
    public problems: Problems,
    public at: string,
    given: Given | null,
  ) {
    this.object = given === null ? new JSON.Obj() : given.object;
  }

  /** null when the key is not given. `former`: a name that the key had before. */
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

  /** The first of `keys` that is given. The keys are names of one thing. */
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

  /** A whole number from `min` to `max`. */
  integer(key: string, usual: u32, min: u32, max: u32): u32 {
    const given = this.find(key);
    if (given === null) return usual;
    const number = given.number;
    if (number >= <f64>min && number <= <f64>max && number == Math.floor(number)) return <u32>number;
    given.wrong(`a whole number from ${min} to ${max}`);
    return usual;
  }

  /** Milliseconds. */
  duration(key: string, usual: u32, min: u32, max: u32, former: string = ""): u32 {
    const given = this.find(key, former);
    return given === null ? usual : given.duration(min, max);
  }

  /** One of `choices`, as its index; `usual` without the key. */
  choice(key: string, usual: i32, choices: string[]): i32 {
    const given = this.find(key);
    if (given === null) return usual;
    const index = choices.indexOf(given.text);
    if (index >= 0) return index;
    given.wrong(`one of ${choices.join(", ")}`);
    return usual;
  }

  /** One of `choices`, as text. */
  choiceText(key: string, usual: string, choices: string[]): string {
    const index = this.choice(key, -1, choices);
    return index < 0 ? usual : choices[index];
  }

  /** A section inside this one; without the key, one in which no key is given. */
  section(key: string): Section {
    return new Section(this.problems, this.nameOf(key), this.find(key));
  }

  /** Objects of a list. */
  sections(key: string, max: i32): Section[] {
    const sections: Section[] = [];
    const given = this.find(key);
    if (given === null) return sections;
    const entries = given.list(max);
    for (let i = 0; i < entries.length; i++) sections.push(new Section(this.problems, entries[i].key, entries[i]));
    return sections;
  }

  /** After the read of the key: without the key there is a problem. */
  require(key: string, expected: string): void {
    this.requireAny([key], expected);
  }

  requireAny(keys: string[], expected: string): void {
    for (let i = 0; i < keys.length; i++) if (this.has(keys[i])) return;
    this.problems.add(`${this.nameOf(keys[0])}: missing, ${expected} is expected`);
  }

  /** After the last read: a key that nothing asked for is a problem. */
  end(): void {
    const keys = this.object.keys();
    for (let i = 0; i < keys.length; i++)
      if (!this.known.includes(keys[i]))
        this.problems.add(`${this.nameOf(keys[i])}: this key is not known; known are ${this.known.join(", ")}`);
  }
}
