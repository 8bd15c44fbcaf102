/** Returns every line without its value: comments unchanged, samples as name and labels. */
export function shapeOf(text: string): string[] {
  return text.split("\n").map((line) => (line.startsWith("#") ? line : line.replace(/ [^ ]*$/, "")));
}

export function valuesOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.slice(line.lastIndexOf(" ") + 1));
}

/** Returns the value of the only sample whose line begins with `start`. */
export function sample(text: string, start: string): number {
  const found = text.split("\n").filter((line) => line.startsWith(start));
  if (found.length !== 1) throw new Error(`${found.length} samples begin with ${start}`);
  const line = found[0] as string;
  return Number(line.slice(line.lastIndexOf(" ") + 1).replace("+Inf", "Infinity"));
}
