// Measures the body scanner alone in GB/s, in Node's V8: `npx tsx bench/scan.ts [kind ...] [--flags "asc flags"]`.
// All bodies are different, because a repeated body trains the branch predictor. The bodies are in wasm memory and are scanned in
// windows of 64 KiB.
import { readFileSync } from "node:fs";
import { Random } from "../testkit/random.ts";
import { build, Scanner } from "../testkit/scan/scanner.ts";

const BODIES = 64;
const SIZE = 128 * 1024;
const WINDOW = 64 * 1024;
const ROUNDS = 40;

const source = new Random(1);
/** A whole number from 0 to `n` - 1. */
const random = (n: number): number => Math.floor(source.fraction() * n);
const pick = <T>(all: readonly T[]): T => all[random(all.length)] as T;

const WORDS =
  "the of and to in is that for it was on are as with they be at one have this from or had by hot but some what there we can out other were all your when up use word how said each she which do their time if will way about many then them would write like so these her long make thing see him two has look more day could go come did my sound no most number who over know water than call first people may down side been now find any new work part take get place made live where after back little only round man year came show every good me give our under name very through just form much great think say help low line before turn cause same mean differ move right boy old too does tell sentence set three want air well also play small end put home read hand port large spell add even land here must big high such follow act why ask men change went light kind off need house picture try us again animal point mother world near build self earth father".split(
    " ",
  );
const han = () => String.fromCharCode(0x4e00 + random(0x2000));
const chat = (content: string, more = "") =>
  `{"messages":[{"role":"user","content":"${content}"}],"temperature":0.7${more},"model":"m${random(1000)}"}`;
function fill(make: () => string): string {
  const parts: string[] = [];
  for (let length = 0; length < SIZE; ) {
    const part = make();
    parts.push(part);
    length += Buffer.byteLength(part);
  }
  return parts.join("");
}

const word = () => `${pick(WORDS)}${random(12) === 0 ? ". " : random(9) === 0 ? ", " : " "}`;
const sentence = (words: number) => Array.from({ length: words }, () => pick(WORDS)).join(" ");
const codeLine = () =>
  `${"    ".repeat(random(4))}${pick(["if", "return", "const", "for", "let", "await"])} ${pick(WORDS)}_${pick(WORDS)} = ${pick(WORDS)}(${random(3) === 0 ? `\\"${pick(WORDS)} ${pick(WORDS)}\\"` : pick(WORDS)}, ${random(1000)})${pick([";", " {", ")"])}\\n${random(8) === 0 ? "\\n\\t" : ""}`;
const property = () =>
  `"${pick(WORDS)}_${pick(WORDS)}":{"type":"${pick(["string", "integer", "object", "boolean"])}","description":"${sentence(3 + random(9))}"${random(4) === 0 ? `,"enum":["${pick(WORDS)}","${pick(WORDS)}"]` : ""}}`;
const tool = () =>
  `{"type":"function","function":{"name":"${pick(WORDS)}_${pick(WORDS)}","description":"${sentence(5 + random(12))}","parameters":{"type":"object","properties":{${Array.from({ length: 1 + random(6) }, property).join(",")}},"required":["${pick(WORDS)}"]}}}`;
const message = () => `{"role":"${pick(["user", "assistant"])}","content":"${sentence(8 + random(16))}"}`;

const KINDS: Record<string, () => string> = {
  "ASCII prompt": () => chat(fill(word)),
  CJK: () => chat(fill(() => (random(14) === 0 ? pick(["，", "。"]) : han()))),
  "Chinese, Latin, digits": () =>
    chat(
      fill(() =>
        random(12) === 0
          ? ` ${pick(WORDS)} `
          : random(14) === 0
            ? String(random(2030))
            : random(12) === 0
              ? "，"
              : han(),
      ),
    ),
  Korean: () => chat(fill(() => (random(4) === 0 ? " " : String.fromCharCode(0xac00 + random(11000))))),
  Cyrillic: () => chat(fill(() => (random(7) === 0 ? " " : String.fromCharCode(0x430 + random(32))))),
  "emoji in English": () => chat(fill(() => (random(10) === 0 ? String.fromCodePoint(0x1f600 + random(64)) : word()))),
  "code with escapes": () => chat(fill(codeLine)),
  "\\u escapes": () => chat(fill(() => `\\u${(0x4e00 + random(0x2000)).toString(16)}`)),
  "tool schemas": () => chat("hello", `,"tools":[${fill(() => `${tool()},`)}null]`),
  "schemas, indented": () => JSON.stringify(JSON.parse(KINDS["tool schemas"]?.() ?? ""), null, 2),
  "100-byte messages": () => `{"messages":[${fill(() => `${message()},`)}{}],"model":"m"}`,
  floats: () => `{"model":"m","input":[${fill(() => `${(Math.sin(random(1e9)) / 10).toFixed(8 + random(11))},`)}0]}`,
  "token ids": () => `{"model":"m","prompt":[${fill(() => `${random(150000)},`)}0]}`,
};
/** Bodies with the highest cost per byte. No client sends them, but an attacker may. */
const HOSTILE: Record<string, () => string> = {
  "hostile: empty arrays": () => `{"a":[${fill(() => "[],")}0],"model":"m"}`,
  "hostile: model again": () => `{${fill(() => `"model":"m${random(10)}",`)}"model":"m"}`,
  "hostile: escaped keys": () => `{${fill(() => `"\\u006dode${random(10)}":0,`)}"model":"m"}`,
  "hostile: long numbers": () => `{"a":[${fill(() => `${"1".repeat(33 + random(9))},`)}0],"model":"m"}`,
  "hostile: mixed values": () =>
    `{"a":[${fill(() => `${pick(["1", '""', "null", "{}", "true", '"\\n"', "-0", '"é"'])},`)}0],"model":"m"}`,
};
Object.assign(KINDS, HOSTILE);

/** CPU time of this thread in ns, from the kernel's scheduler. The sum is up to one clock tick late. */
function cpu(): bigint {
  try {
    return BigInt(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0] as string);
  } catch {
    return process.hrtime.bigint();
  }
}

const args = process.argv.slice(2);
const flagsAt = args.indexOf("--flags");
const flags = flagsAt >= 0 ? (args[flagsAt + 1] ?? "").split(" ").filter(Boolean) : [];
const names = flagsAt >= 0 ? args.slice(0, flagsAt) : args;

/** Nanoseconds for a body of about `size` bytes. Up to 1000 different bodies take turns. */
function short(size: number): number {
  const count = Math.min(1000, Math.floor(4e6 / size));
  let at = start;
  const bodies = Array.from({ length: count }, () => {
    const body = Buffer.from(chat(sentence(size / 5)));
    scanner.memory().set(body, at + 64);
    at += 2 * size + 256;
    return { at: at - 2 * size - 192, length: body.length };
  });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 200; round++) {
    const from = process.hrtime.bigint();
    for (const { at, length } of bodies) {
      wasm.jsonInit(state, table);
      wasm.jsonFeed(state, at, length, 1);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - from));
  }
  if (wasm.jsonStatus(state) !== 1) throw new Error(`short: status ${wasm.jsonStatus(state)}`);
  return best / count;
}

const bytes = build(flags);
const scanner = new Scanner(
  [
    { name: "model", capacity: 256 },
    { name: "stream", capacity: 8 },
  ],
  { bytes },
);
const { wasm } = scanner;
const table = wasm.table.value;
const state = wasm.state.value;
const STRIDE = 2 * SIZE;
const start = 1 << 20;
wasm.memory.grow((start + BODIES * STRIDE) / 65536);

console.log(
  `wasm ${bytes.length} bytes, state ${scanner.stateBytes()} bytes, ${BODIES} bodies of about ${SIZE / 1024} KiB`,
);
if (names.length === 0) {
  for (const size of [100, 1000, 10000]) console.log(`a body of about ${size} bytes: ${short(size).toFixed(0)} ns`);
}
for (const [name, make] of Object.entries(KINDS)) {
  if (names.length > 0 && !names.some((each) => name.includes(each))) continue;
  const bodies = Array.from({ length: BODIES }, (_, index) => {
    const body = Buffer.from(make());
    const at = start + index * STRIDE + 64;
    if (body.length > STRIDE - 128) throw new Error(`${name}: a body of ${body.length} bytes is too large`);
    scanner.memory().set(body, at);
    return { at, length: body.length };
  });
  const total = bodies.reduce((sum, body) => sum + body.length, 0);
  const scan = ({ at, length }: { at: number; length: number }) => {
    wasm.jsonInit(state, table);
    for (let offset = 0; wasm.jsonStatus(state) === 0; ) {
      const size = Math.min(WINDOW, length - offset);
      offset += wasm.jsonFeed(state, at + offset, size, offset + size === length ? 1 : 0);
    }
    if (wasm.jsonStatus(state) !== 1) throw new Error(`${name}: status ${wasm.jsonStatus(state)}`);
  };
  for (let round = 0; round < 3; round++) bodies.forEach(scan);
  // The fastest scan of each body, which excludes disturbances by other processes.
  const quickest = bodies.map(() => Number.POSITIVE_INFINITY);
  const begun = cpu();
  for (let round = 0; round < ROUNDS; round++) {
    bodies.forEach((body, index) => {
      const from = process.hrtime.bigint();
      scan(body);
      quickest[index] = Math.min(quickest[index] as number, Number(process.hrtime.bigint() - from));
    });
  }
  const mean = (total * ROUNDS) / Number(cpu() - begun);
  const best = total / quickest.reduce((sum, each) => sum + each, 0);
  console.log(
    `${name.padEnd(24)} mean ${mean.toFixed(2).padStart(6)}  quickest turns ${best.toFixed(2).padStart(6)} GB/s`,
  );
}
