// The kinds of rows in the tables of the filter's configuration. `make docs` generates from each row: a reader in AssemblyScript,
// the message for a wrong value, a line in docs/reference/ and a property of the JSON Schema.
import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants.ts";

interface Common {
  /** Text for users, in Markdown: what the key does, its unit, and when to change it. */
  description: string;
  /** Describes the behaviour without the key, if `default` cannot describe it. */
  absent?: string;
  /** The key's former name, which still works and logs a warning. */
  formerly?: string;
  /** Names that the key has in other programs' configurations. They work without a warning. */
  also?: readonly string[];
  /** Set if the key may not be left out: what the message calls the missing value, such as "a model name". */
  required?: string;
  /** The name of the field in the settings, if it differs from the key. */
  field?: string;
}

interface BooleanRow extends Common {
  kind: "boolean";
  default: boolean;
}

interface IntegerRow extends Common {
  kind: "integer";
  /** undefined: `initial` is the field's value without the key, and `absent` explains that value. */
  default?: number;
  initial?: string;
  min: number;
  max: number;
}

/** A text such as "250ms" or "2s". The field has the milliseconds. */
interface DurationRow extends Common {
  kind: "duration";
  default: string;
  min: string;
  max: string;
}

export interface ChoiceRow extends Common {
  kind: "choice";
  values: readonly string[];
  default: string;
  /** AssemblyScript: the field's value without the key, if that is not the default. */
  initial?: string;
  /**
   * The field's type. With `constants`, a prefix such as "MODE", each value becomes a constant such as MODE_SHED, and the field has
   * one of them. With `is`, the field is a bool: whether this value was chosen. With "text", the field has the value itself.
   */
  holds: { constants: string } | { is: string } | "text";
}

/** A value that has its own reader. */
interface CustomRow extends Common {
  kind: "custom";
  /**
   * AssemblyScript: the field's type, the field's value without the key, and the expression that reads the value. In the expression
   * `$` stands for the Given (assembly/config/given.ts).
   */
  type: string;
  initial: string;
  read: string;
  /** The value's kind in the documents, such as "a model name". */
  what: string;
  /** The value's JSON Schema. The argument `of` returns the schema of a section. */
  schema: object | ((of: (section: Section) => object) => object);
  /** Sections that the reader reads. */
  uses?: readonly Section[];
  default?: unknown;
}

/** A key that the filter accepts and ignores. */
interface IgnoredRow extends Common {
  kind: "ignored";
  what: string;
  schema: object;
}

interface SectionRow extends Common {
  kind: "section";
  section: Section;
  /** True: without the key the field is null. False: without the key the field is an object with all defaults. */
  nullable?: boolean;
  /** A class of assembly/config/ that extends the settings. */
  class?: string;
}

interface ListRow extends Common {
  kind: "list";
  of: Section;
  maxItems?: number;
  default?: unknown;
}

export type Row = BooleanRow | IntegerRow | DurationRow | ChoiceRow | CustomRow | IgnoredRow | SectionRow | ListRow;

export interface Section {
  /** Prefix of the generated class: the name `Ejection` gives the class EjectionSettings. */
  name: string;
  description: string;
  rows: Readonly<Record<string, Row>>;
}

type Given<R extends Row> = Omit<R, "kind">;

export const boolean = (row: Given<BooleanRow>): Row => ({ kind: "boolean", ...row });
export const integer = (row: Given<IntegerRow>): Row => ({ kind: "integer", ...row });
export const duration = (row: Given<DurationRow>): Row => ({ kind: "duration", ...row });
export const choice = (row: Given<ChoiceRow>): Row => ({ kind: "choice", ...row });
export const custom = (row: Given<CustomRow>): Row => ({ kind: "custom", ...row });
export const ignored = (row: Given<IgnoredRow>): Row => ({ kind: "ignored", ...row });
export const section = (row: Omit<Given<SectionRow>, "description">): Row => ({
  kind: "section",
  description: row.section.description,
  ...row,
});
export const list = (row: Given<ListRow>): Row => ({ kind: "list", ...row });

/** Milliseconds of a text such as "250ms" or "2s". assembly/config/given.ts reads durations by the same rule. */
export function milliseconds(text: string): number {
  const [, number, unit] = /^([0-9]{1,9})(ms|s)$/.exec(text) ?? [];
  if (number === undefined) throw new RangeError(`duration: ${text} given, text such as 250ms or 2s is expected`);
  return Number(number) * (unit === "s" ? 1000 : 1);
}

/** A model name that needs no escapes in a header or in JSON. */
export const MODEL_NAME = {
  type: "string",
  minLength: 1,
  maxLength: MAX_MODEL_NAME_BYTES,
  pattern: "^[!#-\\[\\]-~]*$",
};
/** A header's name: a token of RFC 9110. */
export const HEADER_NAME = { type: "string", minLength: 1, maxLength: 128, pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]*$" };
/** A shared secret: visible ASCII characters. */
export const SECRET = { type: "string", minLength: 16, maxLength: 256, pattern: "^[!-~]*$" };
