// The kinds of rows of which the tables of the filter's configuration are made. From each row follow the reader in
// AssemblyScript, the message for a wrong value, the line in docs/reference/ and the property in the JSON Schema.
import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants.ts";

interface Common {
  /** For users, in Markdown: what the key does, in which unit, and when to change it. */
  description: string;
  /** What counts without the key, where `default` cannot say it. */
  absent?: string;
  /** The name that the key had before. The name still works and logs a warning. */
  formerly?: string;
  /** Names that the key has in other programs' configurations. They work without a warning. */
  also?: readonly string[];
  /** What the message calls a key that is missing, such as "a model name". The key may not be left out. */
  required?: string;
  /** The name of the field in the settings, where it is not the key. */
  field?: string;
}

interface BooleanRow extends Common {
  kind: "boolean";
  default: boolean;
}

interface IntegerRow extends Common {
  kind: "integer";
  /** undefined: `initial` is the field's value without the key, and `absent` says what that means. */
  default?: number;
  initial?: string;
  min: number;
  max: number;
}

/** Text such as "250ms" or "2s"; milliseconds in the field. */
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
  /** AssemblyScript: the field's value without the key, where that is not the default. */
  initial?: string;
  /**
   * What the field holds. A prefix such as "MODE" makes a constant of each value, MODE_SHED and so on, and the field holds one
   * of them. `is` makes the field a bool: whether this value was chosen. "text" keeps the value itself.
   */
  holds: { constants: string } | { is: string } | "text";
}

/** A value with a reader of its own. */
interface CustomRow extends Common {
  kind: "custom";
  /**
   * AssemblyScript: the field's type, its value without the key, and the reader, which gets the
   * Given of assembly/config/given.ts for `$`.
   */
  type: string;
  initial: string;
  read: string;
  /** The value's kind in the documents, such as "a model name". */
  what: string;
  /** The value as JSON Schema; `of` gives the schema of a section. */
  schema: object | ((of: (section: Section) => object) => object);
  /** Sections that the reader reads. */
  uses?: readonly Section[];
  default?: unknown;
}

/** A key that is accepted and does nothing here. */
interface IgnoredRow extends Common {
  kind: "ignored";
  what: string;
  schema: object;
}

interface SectionRow extends Common {
  kind: "section";
  section: Section;
  /** null without the key; otherwise an object with every default. */
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
  /** `Ejection` makes the class EjectionSettings. */
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

/** Milliseconds of "250ms" or "2s", as assembly/config/given.ts reads them. */
export function milliseconds(text: string): number {
  const [, number, unit] = /^([0-9]{1,9})(ms|s)$/.exec(text) ?? [];
  if (number === undefined) throw new RangeError(`duration: ${text} given, text such as 250ms or 2s is expected`);
  return Number(number) * (unit === "s" ? 1000 : 1);
}

/** A model name in a header and in JSON, as it is. */
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
