// Arbitraries of fast-check for forms: content types, well-formed bodies, and bodies of pieces that almost fit together.
import fc from "fast-check";

export interface Document {
  contentType: string;
  body: Uint8Array;
}

const many = (unit: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(unit, { maxLength }).map((all) => all.join(""));

const boundary = fc.oneof(
  fc.constantFrom("x", "-", "--", "a b", "----WebKitFormBoundary7MA4", "'()+_,-./:=?", "b\\", 'q"r', "B".repeat(70)),
  fc.string({ unit: fc.constantFrom("-", "x", "B"), minLength: 1, maxLength: 12 }),
);
const quoted = (text: string) => `"${text.replace(/(["\\])/g, "\\$1")}"`;
const typeOf = (text: string) =>
  fc
    .tuple(
      fc.constantFrom("multipart/form-data", "multipart/form-data", "Multipart/Form-Data", " multipart/form-data "),
      fc.constantFrom("; ", ";", " ;\t", "; charset=utf-8; ", ';a="b;c";'),
      fc.constantFrom("boundary=", "Boundary=", "BOUNDARY="),
      fc
        .constant(/^[\w'+.=?:/()-]+$/.test(text))
        .chain((plain) => fc.constantFrom(...(plain ? [text] : []), quoted(text))),
      fc.constantFrom("", "", ";", '; charset="UTF-8"', "; x=y ;"),
    )
    .map((all) => all.join(""));

const name = fc.constantFrom("model", "model", "model", "file", "prompt", "Model", "models", "", "a\\b", 'mo"del');
const nameParameter = name.chain((text) =>
  fc.constantFrom(...(/^\w+$/.test(text) ? [`name=${text}`] : []), `name=${quoted(text)}`, `NAME=${quoted(text)}`),
);
const disposition = fc
  .tuple(
    fc.constantFrom("Content-Disposition: ", "content-disposition:", "CONTENT-DISPOSITION:\t "),
    fc.constantFrom("form-data; ", "form-data;", "Form-Data ; "),
    nameParameter,
    fc.oneof(
      { weight: 15, arbitrary: fc.constant("") },
      fc.constantFrom(
        "; filename=a.wav",
        '; filename="a;b.wav"',
        '; filename="C:\\dir\\a.wav"',
        ";",
        "; x=y",
        "; x=\t",
      ),
      fc.constantFrom(
        '; filename="a\\"b"',
        '; filename="a\\"; name="model"',
        '; filename="a\\\\"',
        "; filename*=utf-8''a",
      ),
      fc.constantFrom(
        "; name=model",
        "; name*=utf-8''model",
        '; x="\\"; name=model; y="',
        " name=model",
        "; name",
        "\xa0",
      ),
    ),
  )
  .map((all) => all.join(""));
const header = fc.constantFrom(
  "Content-Type: audio/wav",
  "Content-Type: text/plain; charset=utf-8",
  "Content-Type: text/plain; charset=utf-16",
  "Content-Type: text/plain; charset=ISO-8859-1",
  "content-type: multipart/mixed; boundary=y",
  "Content-Transfer-Encoding: binary",
  "Content-Transfer-Encoding: base64",
  "X-Note: \xe4, any text: at all",
  "X-Empty:",
);
const oddHeader = fc.constantFrom(" folded", "no colon", "X : y", "X: a\nb", "X: a\rb", "X: \0", "", "X: a\x7f", "--x");
const headers = fc
  .tuple(
    fc.array(header, { maxLength: 2 }),
    fc.oneof({ weight: 30, arbitrary: disposition }, oddHeader),
    fc.array(header, { maxLength: 2 }),
    fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, oddHeader, disposition),
  )
  .map(([before, one, after, odd]) => [...before, one, ...after, ...(odd === undefined ? [] : [odd])]);

const text = (delimiter: string) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("whisper-1", "org/model", "", "模型", "\xc3\xa9", "\xff\xfe") },
    { weight: 1, arbitrary: fc.integer({ min: 250, max: 260 }).map((length) => "m".repeat(length)) },
    {
      weight: 4,
      arbitrary: many(
        fc.oneof(
          fc.constantFrom("\r", "\n", "\r\n", "-", "--", "\0", "x", "abc"),
          fc.integer({ min: 0, max: delimiter.length - 1 }).map((length) => `\r\n${delimiter.slice(0, length)}`),
          fc.constant("z".repeat(70)),
          fc.constant(delimiter.slice(2)),
        ),
        12,
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(`${delimiter}\r\n`, `\n${delimiter}`, `\r\n${delimiter} \r\n`, `x${delimiter}`),
    },
  );

const bytesOf = (body: string) =>
  Buffer.from(/[^\0-\xff]/.test(body) ? Buffer.from(body).toString("latin1") : body, "latin1");

/** Forms as clients send them, with every allowed preamble, epilogue and padding. Some parts are odd. */
export const document: fc.Arbitrary<Document> = boundary.chain((chosen) => {
  const delimiter = `--${chosen}`;
  const part = fc.tuple(headers, text(delimiter)).map(([lines, data]) => `${lines.join("\r\n")}\r\n\r\n${data}\r\n`);
  const body = fc
    .tuple(
      fc.oneof(
        { weight: 8, arbitrary: fc.constant("") },
        fc.constantFrom("\r\n", "\r\nhello\r\n", "MIME preamble.\r\n", "\n", "a", "\r\n--\r\n"),
      ),
      fc.array(part, { maxLength: 4 }),
      fc.oneof(
        { weight: 6, arbitrary: fc.constant("--\r\n") },
        fc.constantFrom("--", "--\n", "-- \r\nrest", "--x", "", "-"),
      ),
    )
    .map(([before, parts, after]) =>
      bytesOf(before + parts.map((each) => `${delimiter}\r\n${each}`).join("") + delimiter + after),
    );
  return fc.record({ contentType: typeOf(chosen), body });
});

/** Forms that are cut short, or in which a byte is changed. */
export const broken: fc.Arbitrary<Document> = fc
  .tuple(document, fc.nat(), fc.oneof(fc.constant(-1), fc.constantFrom(0x0d, 0x0a, 0x2d, 0x22, 0x5c, 0x3b, 0x20, 0)))
  .map(([{ contentType, body }, at, byte]) => {
    if (byte < 0 || body.length === 0) return { contentType, body: body.subarray(0, at % (body.length + 1)) };
    const changed = Buffer.from(body);
    changed[at % body.length] = byte;
    return { contentType, body: changed };
  });

const scrap = fc.constantFrom(
  ...'multipart/form-data|multipart/form-data|form-data|;|;|; | |\t|boundary|Boundary|=|=|x|abc|"|"|\\|\\\\|\\"|,|*|charset=utf-8|charset|latin1|é|a b|\x7f'.split(
    "|",
  ),
);
export const contentType: fc.Arbitrary<string> = fc.oneof(
  boundary.chain(typeOf),
  many(scrap, 8).map((rest) => `multipart/form-data;boundary=${rest}`),
  many(scrap, 8).map((rest) => `multipart/form-data; ${rest}`),
  many(scrap, 4),
);
export const cuts = fc.array(fc.nat(), { maxLength: 6 });
