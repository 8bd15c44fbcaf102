// Random texts from a small grammar, one file for each kind of text.
//
//   [section]         lines up to the next section are its templates; the text is made from the section `text`
//   {section}         a random template of this section
//   {#4}              4 random digits
//   {base64 76}       76 random characters of base64
//   \n \t             a newline, a tab
//
// Other braces stand for themselves.
import { readFileSync } from "node:fs";
import type { Random } from "../../../testkit/random.ts";

/** A part of a template: a text, or a function that makes one. */
type Part = string | ((draws: Random) => string);

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Reads the grammar `<kind>.txt` of this folder. The result makes a random text of a few lines, which ends with a newline. */
export function readGrammar(kind: string): (draws: Random) => string {
  const lines = readFileSync(new URL(`./${kind}.txt`, import.meta.url), "utf8").split("\n");
  const sections = new Map<string, Part[][]>();
  const names = new Set(lines.flatMap((line) => /^\[(\w+)\]$/.exec(line)?.[1] ?? []));
  let templates: Part[][] = [];
  for (const line of lines) {
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      templates = [];
      sections.set(name, templates);
    } else if (line !== "") {
      templates.push(partsOf(line));
    }
  }

  function partsOf(line: string): Part[] {
    const text = line.replaceAll("\\n", "\n").replaceAll("\\t", "\t");
    return text.split(/(\{(?:#\d+|base64 \d+|\w+)\})/).map((piece): Part => {
      const inner = piece.slice(1, -1);
      const [, what, count] = /^(#|base64 )(\d+)$/.exec(inner) ?? [];
      if (piece.startsWith("{") && what !== undefined)
        return characters(what === "#" ? "0123456789" : BASE64, Number(count));
      if (piece.startsWith("{") && names.has(inner)) return (draws) => expand(inner, draws);
      return piece;
    });
  }

  function expand(name: string, draws: Random): string {
    let text = "";
    for (const part of draws.pick(sections.get(name) as Part[][]))
      text += typeof part === "string" ? part : part(draws);
    return text;
  }

  return (draws) => expand("text", draws);
}

function characters(alphabet: string, count: number): (draws: Random) => string {
  return (draws) => {
    let text = "";
    for (let i = 0; i < count; i++) text += alphabet[draws.below(alphabet.length)];
    return text;
  };
}
