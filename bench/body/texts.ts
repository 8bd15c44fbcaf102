// The kinds of text in prompts. A unit is the smallest piece that keeps the JSON valid; it is already escaped.

import type { Random } from "../../testkit/random.ts";

export const TEXTS = ["ascii", "chinese", "code", "image", "schemas"] as const;
export type Text = (typeof TEXTS)[number];

export const TEXT_TITLES: Readonly<Record<Text, string>> = {
  ascii: "ASCII prompt",
  chinese: "Chinese with Latin and digits",
  code: "code with many escapes",
  image: "image in a data URL",
  schemas: "tool schemas (structure-heavy)",
};

interface Frame {
  before: string;
  between: string;
  after: string;
}

const PROMPT: Frame = {
  before: '"messages":[{"role":"user","content":"',
  between: "",
  after: '"}],"temperature":0.7,"stream":false',
};

export const FRAMES: Readonly<Record<Text, Frame>> = {
  ascii: PROMPT,
  chinese: PROMPT,
  code: PROMPT,
  image: {
    before:
      '"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,',
    between: "",
    after: '"}}]}],"temperature":0.7',
  },
  // The unit ends with a comma, and the next tool closes the list.
  schemas: {
    before: '"messages":[{"role":"user","content":"hello"}],"tools":[',
    between: '{"type":"function","function":{"name":"last","description":"',
    after: '"}}],"temperature":0.7',
  },
};

export const UNITS: Readonly<Record<Text, (random: Random) => string>> = {
  ascii: word,
  chinese: phrase,
  code: codeLine,
  image: base64,
  schemas: tool,
};

const WORDS =
  "the of and to in is that for it was on are as with they be at one have this from or had by hot but some what there we can out other were all your when up use word how said each she which do their time if will way about many then them would write like so these her long make thing see him two has look more day could go come did my sound no most number who over know water than call first people may down side been now find any new work part take get place made live where after back little only round man year came show every good me give our under name very through just form much great think say help low line before turn cause same mean differ move right boy old too does tell sentence set three want air well also play small end put home read hand port large spell add even land here must big high such follow act why ask men change went light kind off need house picture try us again animal point mother world near build self earth father".split(
    " ",
  );

function word(random: Random): string {
  return `${random.pick(WORDS)}${random.below(12) === 0 ? ". " : random.below(9) === 0 ? ", " : " "}`;
}

function phrase(random: Random): string {
  let text = "";
  for (let i = 4 + random.below(12); i > 0; i--) text += String.fromCharCode(0x4e00 + random.below(0x2000));
  const next = random.below(5);
  if (next === 0) return `${text} ${random.pick(WORDS)} `;
  if (next === 1) return `${text}${random.below(2030)}`;
  return `${text}${next === 2 ? "。" : "，"}`;
}

const KEYWORDS = ["if", "return", "const", "for", "let", "await"];

function codeLine(random: Random): string {
  const argument =
    random.below(3) === 0 ? `\\"${random.pick(WORDS)} ${random.pick(WORDS)}\\"` : `${random.pick(WORDS)}[\\\\d]`;
  const call = `${random.pick(WORDS)}_${random.pick(WORDS)} = ${random.pick(WORDS)}(${argument}, ${random.below(1000)})`;
  const end = random.pick([";", " {", ")"]);
  return `${"\\t".repeat(random.below(4))}${random.pick(KEYWORDS)} ${call}${end}\\n`;
}

/** 64 characters, the line length of PEM and the block size of scanners. */
function base64(random: Random): string {
  const bytes = Buffer.allocUnsafe(48);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(random.next(), i);
  return bytes.toString("base64");
}

function sentence(random: Random, words: number): string {
  return Array.from({ length: words }, () => random.pick(WORDS)).join(" ");
}

function property(random: Random): string {
  const values = random.below(4) === 0 ? `,"enum":["${random.pick(WORDS)}","${random.pick(WORDS)}"]` : "";
  const type = random.pick(["string", "integer", "object", "boolean"]);
  const name = `${random.pick(WORDS)}_${random.pick(WORDS)}`;
  return `"${name}":{"type":"${type}","description":"${sentence(random, 3 + random.below(9))}"${values}}`;
}

function tool(random: Random): string {
  const properties = Array.from({ length: 1 + random.below(4) }, () => property(random)).join(",");
  const name = `${random.pick(WORDS)}_${random.pick(WORDS)}`;
  const parameters = `{"type":"object","properties":{${properties}},"required":["${random.pick(WORDS)}"]}`;
  const description = sentence(random, 5 + random.below(12));
  return `{"type":"function","function":{"name":"${name}","description":"${description}","parameters":${parameters}}},`;
}
