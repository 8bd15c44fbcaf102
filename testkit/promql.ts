// As much of PromQL as is needed to hold a query to what is really exposed: which metrics it names, with which matchers,
// and by which labels it groups. And the text format of an exposition.

interface Matcher {
  label: string;
  operator: "=" | "!=" | "=~" | "!~";
  value: string;
}

interface Selector {
  /** Empty when a matcher of __name__ stands for it. */
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

/** Every metric that a query asks for. */
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

/** The labels by which a query groups. */
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

/** `added`: the labels that Prometheus gives to every sample of a target. */
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
