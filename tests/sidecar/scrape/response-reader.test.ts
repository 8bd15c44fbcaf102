// The reader finds the end of a response, however its bytes are split. It refuses a response without a certain end.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HttpFailure } from "../../../sidecar/http.ts";
import { ResponseReader } from "../../../sidecar/scrape/response-reader.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const OK = "HTTP/1.1 200 OK\r\n";

interface Got {
  status: number | undefined;
  body: string;
  keepAlive: boolean | undefined;
  trailing: boolean;
  whole: boolean;
}

/** Copies each piece into the same memory, over the piece before, as a connection does. */
function feed(pieces: readonly Buffer[], { maxBytes = 10_000, ends = false } = {}, reader = new ResponseReader()): Got {
  reader.start(maxBytes);
  const memory = Buffer.alloc(Math.max(1, ...pieces.map((piece) => piece.length)));
  let whole = false;
  for (const piece of pieces) {
    memory.fill(0x58);
    piece.copy(memory);
    whole = reader.push(memory.subarray(0, piece.length)) || whole;
  }
  if (ends) whole = reader.end();
  const got = {
    status: reader.head?.status,
    body: reader.body.toString("latin1"),
    keepAlive: reader.head?.keepAlive,
    trailing: reader.trailing,
    whole,
  };
  reader.release();
  return got;
}

const RESPONSES: Record<string, { text: string; body: string; status?: number; keepAlive?: boolean; ends?: boolean }> =
  {
    "content-length": { text: `${OK}Content-Length: 5\r\n\r\nhello`, body: "hello" },
    "no body": { text: `${OK}content-length: 0\r\n\r\n`, body: "" },
    "one chunk": { text: `${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, body: "hello" },
    "chunks, extensions and trailers": {
      text: `${OK}Transfer-Encoding: Chunked\r\n\r\n3;a="b;c"\r\nhel\r\n00000002\r\nlo\r\n0 ;x\r\nx-sum: 1\r\ny: 2\r\n\r\n`,
      body: "hello",
    },
    "chunks with line ends inside": {
      text: `${OK}transfer-encoding: chunked\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`,
      body: "\r\n0\r\n\r\n",
    },
    "a body until the connection ends": { text: `${OK}\r\nhello`, body: "hello", keepAlive: false, ends: true },
    "interim responses first": {
      text: `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi`,
      body: "hi",
    },
    "204 with a length": { text: "HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", body: "", status: 204 },
    "connection: close": {
      text: `${OK}connection: Close\r\ncontent-length: 2\r\n\r\nhi`,
      body: "hi",
      keepAlive: false,
    },
    "HTTP/1.0": { text: "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", body: "hi", keepAlive: false },
    "HTTP/1.0 with keep-alive": {
      text: "HTTP/1.0 500 Oops\r\nConnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
      body: "hi",
      status: 500,
    },
    "the same length twice": { text: `${OK}content-length: 2\r\ncontent-length: 2\r\n\r\nhi`, body: "hi" },
    "no reason phrase": { text: "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi", body: "hi" },
  };

for (const [name, { text, body, status = 200, keepAlive = true, ends = false }] of Object.entries(RESPONSES)) {
  test(`${name}: reads the same if it is split at any byte, and byte by byte`, () => {
    const all = bytes(text);
    const expected: Got = { status, body, keepAlive, trailing: false, whole: true };
    const splits = Array.from({ length: all.length }, (_, i) => [all.subarray(0, i), all.subarray(i)]);
    splits.push(Array.from(all, (_, i) => all.subarray(i, i + 1)));
    for (const pieces of splits) {
      const got = feed(
        pieces.filter((piece) => piece.length > 0),
        { ends },
      );
      assert.deepEqual(got, expected, JSON.stringify(pieces.map((piece) => piece.toString("latin1"))));
    }
  });

  test(`${name}: cut short, the response is not whole`, () => {
    if (ends) return;
    const all = bytes(text);
    for (let cut = 0; cut < all.length; cut++) {
      assert.equal(feed([all.subarray(0, cut)], { ends: true }).whole, false, `cut at ${cut}`);
    }
  });
}

test("bytes after the end of a response are noticed", () => {
  const all = bytes(`${OK}content-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n`);
  assert.deepEqual([feed([all]).body, feed([all]).trailing], ["hi", true]);
});

const REFUSED: Record<string, string> = {
  "not HTTP": "hello\r\n\r\n",
  "HTTP/2": "HTTP/2 200\r\n\r\n",
  "a status of four digits": "HTTP/1.1 2000 OK\r\n\r\n",
  "another protocol": "HTTP/1.1 101 Switching\r\n\r\n",
  "two lengths": `${OK}content-length: 2\r\ncontent-length: 3\r\n\r\n`,
  "a length that is not a number": `${OK}content-length: 2, 2\r\n\r\n`,
  "a negative length": `${OK}content-length: -1\r\n\r\n`,
  "length and chunks": `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
  "gzip as transfer encoding": `${OK}transfer-encoding: gzip, chunked\r\n\r\n`,
  "a header without a name": `${OK}: x\r\n\r\n`,
  "a header without a colon": `${OK}content-length 5\r\n\r\n`,
  "a chunk size that is not a number": `${OK}transfer-encoding: chunked\r\n\r\nx\r\n`,
  "a negative chunk size": `${OK}transfer-encoding: chunked\r\n\r\n-1\r\n`,
  "a chunk size beyond 32 bits": `${OK}transfer-encoding: chunked\r\n\r\n100000000\r\n`,
  "a chunk longer than its size": `${OK}transfer-encoding: chunked\r\n\r\n2\r\nhello\r\n`,
  "line feeds without CR": `${OK}transfer-encoding: chunked\r\n\r\n5\nhello\n`,
  "a head without end": `${OK}${"x: y\r\n".repeat(5000)}`,
  "a size line without end": `${OK}transfer-encoding: chunked\r\n\r\n${"0".repeat(1000)}`,
};

for (const [name, text] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, () => {
    const refused = (error: unknown) => error instanceof HttpFailure && error.reason === "invalid";
    const all = bytes(text);
    assert.throws(() => feed([all]), refused);
    assert.throws(() => feed(Array.from(all, (_, i) => all.subarray(i, i + 1))), refused);
  });
}

test("a body over the limit is refused, with a length, in chunks, or until the connection ends", () => {
  const big = (error: unknown) => error instanceof HttpFailure && error.reason === "too_large";
  const limits = { maxBytes: 100, ends: true };
  for (const head of [
    `${OK}content-length: 101\r\n\r\n`,
    `${OK}transfer-encoding: chunked\r\n\r\n65\r\n${"x".repeat(101)}`,
    `${OK}transfer-encoding: chunked\r\n\r\n${"32\r\n".concat("x".repeat(50), "\r\n").repeat(3)}`,
    `${OK}\r\n${"x".repeat(101)}`,
  ]) {
    assert.throws(() => feed([bytes(head)], limits), big);
    assert.throws(
      () =>
        feed(
          [...bytes(head)].map((byte) => Buffer.from([byte])),
          limits,
        ),
      big,
    );
  }
  assert.equal(feed([bytes(`${OK}content-length: 100\r\n\r\n${"x".repeat(100)}`)], limits).whole, true);
});

test("bodies in any chunks and pieces are read as they were sent, one after the other", () => {
  const reader = new ResponseReader();
  const cut = (all: Buffer, cuts: readonly number[]): Buffer[] => {
    const at = [...new Set(cuts.map((one) => one % (all.length + 1)))].sort((a, b) => a - b);
    return [0, ...at].map((from, i) => all.subarray(from, at[i] ?? all.length)).filter((piece) => piece.length > 0);
  };
  const body = fc.uint8Array({ maxLength: 3000 });
  const cuts = fc.array(fc.nat(), { maxLength: 8 });
  fc.assert(
    fc.property(body, cuts, cuts, fc.boolean(), (given, chunkCuts, pieceCuts, chunked) => {
      const all = Buffer.from(given);
      const parts = chunked
        ? [
            bytes(`${OK}transfer-encoding: chunked\r\n\r\n`),
            ...cut(all, chunkCuts).flatMap((c) => [bytes(`${c.length.toString(16)}\r\n`), c, bytes("\r\n")]),
            bytes("0\r\n\r\n"),
          ]
        : [bytes(`${OK}content-length: ${all.length}\r\n\r\n`), all];
      const got = feed(cut(Buffer.concat(parts), pieceCuts), {}, reader);
      assert.deepEqual([got.whole, got.trailing, got.body], [true, false, all.toString("latin1")]);
    }),
    { numRuns: 2000 },
  );
});
