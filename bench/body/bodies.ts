// Request bodies of an exact size, all of them different: the branch predictor learns a repeated body, which makes every parser up
// to twice as fast.
//
//   {"model":NAME,REST}    model first
//   {REST,"model":NAME}    model last
//   REST = before BULK between PADDING after
//
// REST is a chat completion whose bulk is one of TEXTS. The padding is letters inside a string, which fill the body up to its size.

import { Random } from "../../testkit/random.ts";
import { FRAMES, type Text, UNITS } from "./texts.ts";

export const POSITIONS = ["first", "last"] as const;
type Position = (typeof POSITIONS)[number];

export interface BodyKind {
  text: Text;
  bytes: number;
  position: Position;
}

export interface Body {
  bytes: Buffer;
  model: string;
}

/** The smallest body with room for the frame of every text and a long model name. */
export const SMALLEST_BODY_BYTES = 384;

export function makeBodies(kind: BodyKind, count: number, models: readonly string[], seed: number): Body[] {
  if (kind.bytes < SMALLEST_BODY_BYTES)
    throw new RangeError(`bytes: ${kind.bytes} given, ${SMALLEST_BODY_BYTES} or more are expected`);
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const model = random.pick(models);
    return { bytes: makeBody(kind, model, random), model };
  });
}

function makeBody({ text, bytes, position }: BodyKind, model: string, random: Random): Buffer {
  const field = `"model":${JSON.stringify(model)}`;
  const { before, between, after } = FRAMES[text];
  const start = (position === "first" ? `{${field},` : "{") + before;
  const end = after + (position === "first" ? "}" : `,${field}}`);
  const room = bytes - Buffer.byteLength(start) - Buffer.byteLength(between) - Buffer.byteLength(end);
  const unit = UNITS[text];
  const parts = [start];
  let used = 0;
  for (;;) {
    const part = unit(random);
    const length = Buffer.byteLength(part);
    if (used + length > room) break;
    parts.push(part);
    used += length;
  }
  parts.push(between, "a".repeat(room - used), end);
  return Buffer.from(parts.join(""));
}
