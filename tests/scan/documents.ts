// Arbitraries of fast-check for bodies: valid bodies for every path through the scanner, and broken bodies.
import fc from "fast-check";

export const FIELDS = [
  { name: "model", capacity: 24 },
  { name: "stream", capacity: 6 },
  { name: "é", capacity: 64 },
  { name: "messages", capacity: 0, hashed: true },
  { name: "prompt", capacity: 40, hashed: true },
];

const many = (unit: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(unit, { maxLength }).map((all) => all.join(""));
const of = (chars: string) => fc.constantFrom(...Array.from(chars));
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => `\\u${code.toString(16).padStart(4, "0")}`);
const surrogate = fc
  .integer({ min: 0xd7f0, max: 0xe00f })
  .map((code) => `\\u${code.toString(16).padStart(4, "0").toUpperCase()}`);

const piece = fc.oneof(
  { weight: 4, arbitrary: many(of("abc XYZ019 {}[]:,'/é"), 12) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 150 }).map((length) => "The quick brown fox, ".repeat(8).slice(0, length)),
  },
  { weight: 2, arbitrary: many(of("請把以下內容翻譯成英文，並保留原有的格式。"), 60) },
  { weight: 2, arbitrary: many(of("한국어도 섞어서 써 본다ퟻ\ue000\ufffd"), 30) },
  { weight: 1, arbitrary: many(of("Съешь ещё ࠀ߿"), 40) },
  { weight: 1, arbitrary: many(of("😀🚀𐀀\u{10ffff}a"), 20) },
  { weight: 1, arbitrary: many(of("\x7f\u0080\u2028 "), 5) },
  {
    weight: 3,
    arbitrary: many(fc.constantFrom("\\n", "\\t", '\\"', "\\\\", "\\/", "\\b", "\\f", "\\r", "x", "    "), 40),
  },
  { weight: 1, arbitrary: many(fc.constant("\\\\"), 70) },
  { weight: 1, arbitrary: many(unit, 30) },
  { weight: 1, arbitrary: many(surrogate, 6) },
);
const string = many(piece, 4).map((text) => `"${text}"`);

const digits = (maxLength: number) => many(of("0123456789"), maxLength);
const number = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(
      fc.constant("0"),
      digits(18).map((rest) => `7${rest}`),
      digits(3).map((rest) => `1${rest}`),
    ),
    fc.oneof(
      { weight: 2, arbitrary: fc.constant("") },
      digits(20).map((rest) => `.0${rest}`),
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant("") }, fc.constantFrom("e5", "E-07", "e+999", "E0")),
  )
  .map((parts) => parts.join(""));
/** Texts that are not valid numbers, but that a reader of many numbers at once could accept. */
export const WRONG_NUMBERS =
  "01 -01 00 1. .1 -.1 1.e1 1..2 1.2.3 1e 1e+ 1e- 1e1.5 1e1e1 1.5e+-1 --1 -1- 1-1 +1 1+1 - -e1 e1 1 . , 1e5. 0x1 1_0 12a"
    .split(" ")
    .concat("1 2", "- 1", "1. 5", "1 .5", "1 e5", "1e 5", " 1", "1 ", "  1", "");
const huge = fc
  .tuple(fc.constantFrom("", "-"), fc.integer({ min: 4295, max: 4305 }), fc.constantFrom("", ".5", "e1"))
  .map(([sign, length, tail]) => `${sign}${"9".repeat(length)}${tail}`);
const literal = fc.constantFrom("true", "false", "null", "NaN", "Infinity", "-Infinity");
const space = fc.oneof(
  { weight: 8, arbitrary: fc.constant("") },
  { weight: 3, arbitrary: fc.constant(" ") },
  { weight: 1, arbitrary: many(of(" \t\r\n"), 6) },
);

/** Long lists of numbers, like embeddings and token ids. The scanner reads many of these numbers at a time. */
const list = fc
  .tuple(fc.constantFrom(",", ", ", ",\n  "), fc.array(number, { minLength: 2, maxLength: 40 }))
  .map(([comma, all]) => `[${all.join(comma)}]`);
/** Long lists of numbers in which mostly one entry is wrong. */
const badList = fc
  .tuple(
    fc.array(fc.oneof({ weight: 12, arbitrary: number }, fc.constantFrom(...WRONG_NUMBERS)), {
      minLength: 3,
      maxLength: 24,
    }),
  )
  .map(([all]) => `[${all.join(",")}]`);

const spaced = (all: fc.Arbitrary<string>) => fc.tuple(space, all, space).map((parts) => parts.join(""));
const { value } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: "json" },
    { weight: 4, arbitrary: string },
    { weight: 3, arbitrary: number },
    { weight: 2, arbitrary: literal },
    { weight: 2, arbitrary: tie("array") },
    { weight: 2, arbitrary: tie("object") },
  ),
  array: fc
    .array(spaced(tie("value")), { maxLength: 5, depthIdentifier: "json" })
    .map((all) => `[${all.join(",") || " "}]`),
  object: fc
    .array(fc.tuple(spaced(string), spaced(tie("value"))), { maxLength: 4, depthIdentifier: "json" })
    .map((all) => `{${all.map(([key, item]) => `${key}:${item}`).join(",")}}`),
}));

const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('"model"', '"stream"', '"messages"', '"prompt"', '"é"', '"\\u00e9"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"mod\\u0065l"',
      '"\\u006dodel"',
      '"Model"',
      '"model "',
      '"\\ud800"',
      '""',
      '"mode\\/l"',
    ),
  },
  { weight: 2, arbitrary: string },
);
const deep = fc.integer({ min: 500, max: 520 }).map((depth) => "[".repeat(depth) + "]".repeat(depth));
const member = fc
  .tuple(
    spaced(key),
    spaced(
      fc.oneof(
        { weight: 40, arbitrary: value },
        { weight: 5, arbitrary: list },
        { weight: 1, arbitrary: huge },
        { weight: 1, arbitrary: deep },
      ),
    ),
  )
  .map((pair) => pair.join(":"));

/** Bodies that are valid except for numbers of too many digits, too deep nesting, and fields that the options refuse. */
export const document: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: fc.constant("") }, fc.constant("\ufeff")),
    space,
    fc.array(member, { maxLength: 6 }),
    space,
  )
  .map(([mark, before, members, after]) => Buffer.from(`${mark}${before}{${members.join(",")}}${after}`));

const damage = fc.oneof(
  fc.record({
    kind: fc.constant("byte" as const),
    at: fc.nat(),
    byte: fc.oneof(
      fc.nat(255),
      fc.constantFrom(...Buffer.from('"\\{}[],:0e.-u\n\0\x80\xc0\xe0\xed\xf0\xf4\xff', "latin1")),
    ),
  }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.nat(),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\{}[],:0e.-u\n\0\x80\xe0\xf0', "latin1"))),
  }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(), byte: fc.nat(8) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), byte: fc.constant(0) }),
  fc.record({ kind: fc.constant("double" as const), at: fc.nat(), byte: fc.nat(40) }),
);

function damaged(body: Uint8Array, all: { kind: string; at: number; byte: number }[]): Uint8Array {
  let bytes = [...body];
  for (const { kind, at, byte } of all) {
    const from = bytes.length === 0 ? 0 : at % bytes.length;
    if (kind === "byte") bytes[from] = byte;
    else if (kind === "insert") bytes.splice(from, 0, byte);
    else if (kind === "remove") bytes.splice(from, byte + 1);
    else if (kind === "cut") bytes = bytes.slice(0, from);
    else bytes.splice(from, 0, ...bytes.slice(from, from + byte));
  }
  return Uint8Array.from(bytes);
}

export const broken: fc.Arbitrary<Uint8Array> = fc
  .tuple(document, fc.array(damage, { minLength: 1, maxLength: 3 }))
  .map(([body, all]) => damaged(body, all));

/** Bodies that the other arbitraries hardly make: top-level values that are not objects, other encodings, tiny bodies. */
export const odd: fc.Arbitrary<Uint8Array> = fc.oneof(
  badList.map((text) => Buffer.from(`{"prompt":${text},"x":${text}}`)),
  fc.tuple(space, value, space).map((parts) => Buffer.from(parts.join(""))),
  document.map((body) => Buffer.from(Buffer.from(body).toString("utf8"), "utf16le")),
  fc.uint8Array({ maxLength: 6 }),
  fc
    .array(fc.constantFrom(...Buffer.from('{}[]",:\\u0d8 \0\xef\xbb\xbf\xff\xfetrNI-', "latin1")), { maxLength: 12 })
    .map((all) => Uint8Array.from(all)),
);

export const cuts = fc.array(fc.nat(), { maxLength: 5 });
