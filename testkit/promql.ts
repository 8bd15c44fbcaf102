// The part of PromQL that a test needs to compare a query with the exposed metrics: the names of metrics, their matchers, and the
// labels of groupings. It also reads the text format of an exposition.

interface Matcher {
  label: string;
  operator: "=" | "!=" | "=~" | "!~";
  value: string;
}

interface Selector {
  /** Empty if a matcher of __name__ replaces the name. */
  name: string;
  matchers: readonly Matcher[];
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
}

const KEYWORDS = new Set([
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "and",
  "or",
  "unless",
  "bool",
  "offset",
  "inf",
  "nan",
]);
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTOR = /([a-zA-Z_:][\w:]*)?\s*\{((?:[^{}"]|"(?:[^"\\]|\\.)*")*)\}|([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()/g;
const MATCHER = /([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g;

/** A selector for every metric of a query. */
export function selectorsOf(query: string): Selector[] {
  const bare = query
    .replace(GROUPING, " ")
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/\boffset\s+\w+/g, " ");
  const found: Selector[] = [];
  for (const [, before, inside, alone] of bare.matchAll(SELECTOR)) {
    const name = before ?? alone ?? "";
    if (inside === undefined && KEYWORDS.has(name)) continue;
    const matchers = [...(inside ?? "").matchAll(MATCHER)].map(([, label, operator, value]) => ({
      label: label as string,
      operator: operator as Matcher["operator"],
      value: (value as string).replace(/\\(.)/g, "$1"),
    }));
    found.push({ name, matchers });
  }
  return found;
}

/** The labels in the groupings of a query. */
export function groupedBy(query: string): string[] {
  return [...query.matchAll(GROUPING)]
    .flatMap(([, list]) => (list as string).split(",").map((one) => one.trim()))
    .filter(Boolean);
}

export function matches(selector: Selector, sample: Sample): boolean {
  if (selector.name !== "" && selector.name !== sample.name) return false;
  return selector.matchers.every(({ label, operator, value }) => {
    const actual = label === "__name__" ? sample.name : (sample.labels[label] ?? "");
    const same = operator.includes("~") ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
    return operator.startsWith("!") ? !same : same;
  });
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+\S+/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** `added` has the labels that Prometheus adds to every sample of a target. */
export function samplesOf(exposition: string, added: Readonly<Record<string, string>> = {}): Sample[] {
  const samples: Sample[] = [];
  for (const line of exposition.split("\n")) {
    const [, name, inside] = (line.startsWith("#") ? undefined : LINE.exec(line)) ?? [];
    if (!name) continue;
    const labels: Record<string, string> = { ...added };
    for (const [, label, value] of (inside ?? "").matchAll(LABEL)) labels[label as string] = value as string;
    samples.push({ name, labels });
  }
  return samples;
}
