import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BodyKind, makeBodies, POSITIONS, SMALLEST_BODY_BYTES } from "../../bench/body/bodies.ts";
import { TEXTS } from "../../bench/body/texts.ts";

const MODELS = ["meta-llama/Llama-3.3-70B-Instruct", "m"];
const KINDS: BodyKind[] = TEXTS.flatMap((text) =>
  POSITIONS.flatMap((position) =>
    [SMALLEST_BODY_BYTES, 1024, 16 * 1024, 128 * 1024 + 1].map((bytes) => ({ text, position, bytes })),
  ),
);

const title = (kind: BodyKind) => `${kind.text}, model ${kind.position}, ${kind.bytes} bytes`;

describe("bench bodies", () => {
  for (const kind of KINDS) {
    test(`${title(kind)}: valid JSON of exactly this size with its model at the requested position`, () => {
      for (const body of makeBodies(kind, 4, MODELS, 7)) {
        assert.equal(body.bytes.length, kind.bytes);
        const parsed = JSON.parse(body.bytes.toString("utf8")) as Record<string, unknown>;
        assert.equal(parsed.model, body.model);
        assert.ok(MODELS.includes(body.model));
        const keys = Object.keys(parsed);
        assert.equal(kind.position === "first" ? keys[0] : keys.at(-1), "model");
      }
    });
  }

  test("all bodies of a pool are different, and so are their halves", () => {
    for (const text of TEXTS) {
      const bodies = makeBodies({ text, position: "first", bytes: 16 * 1024 }, 64, ["m"], 1);
      const halves = bodies.flatMap(({ bytes }) => [
        bytes.toString("latin1", 0, 8 * 1024),
        bytes.toString("latin1", 8 * 1024),
      ]);
      assert.equal(new Set(halves).size, 128, text);
    }
  });

  test("the same seed gives the same bodies, another seed gives others", () => {
    const kind = { text: "code", position: "last", bytes: 4096 } as const;
    const bytes = (seed: number) => Buffer.concat(makeBodies(kind, 3, MODELS, seed).map((body) => body.bytes));
    assert.deepEqual(bytes(3), bytes(3));
    assert.notDeepEqual(bytes(3), bytes(4));
  });

  test("the bulk has the kind of text that its name says", () => {
    const share = (text: (typeof TEXTS)[number], pattern: RegExp) => {
      const [body] = makeBodies({ text, position: "first", bytes: 64 * 1024 }, 1, MODELS, 1);
      const content = (body?.bytes ?? Buffer.alloc(0)).toString("utf8");
      return (content.match(pattern)?.length ?? 0) / content.length;
    };
    assert.ok(share("chinese", /[\u4e00-\u9fff]/g) > 0.5);
    assert.ok(share("code", /\\["\\nt]/g) > 0.04);
    assert.ok(share("ascii", /[\\\u0080-\uffff]/g) === 0);
    assert.ok(share("image", /[A-Za-z0-9+/]/g) > 0.99);
    assert.ok(share("schemas", /[{}[\]:,"]/g) > 0.2);
  });

  test("the model pattern of the Lua contender finds only the model", () => {
    for (const text of TEXTS) {
      const [body] = makeBodies({ text, position: "last", bytes: 128 * 1024 }, 1, MODELS, 5);
      const found = [...(body?.bytes.toString("utf8") ?? "").matchAll(/"model"\s*:\s*"([^"]+)"/g)];
      assert.deepEqual(
        found.map((match) => match[1]),
        [body?.model],
        text,
      );
    }
  });

  test("a size without room for the frame is refused with the smallest valid size", () => {
    const kind = { text: "image", position: "first", bytes: SMALLEST_BODY_BYTES - 1 } as const;
    assert.throws(() => makeBodies(kind, 1, MODELS, 1), new RegExp(`${SMALLEST_BODY_BYTES} or more`));
  });
});
