// Reads numbers of Prometheus text from bytes, without making a string for plain decimals.

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;

/** 15 digits always fit into the 53 bits of a double, so they are exact. */
const EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => 10 ** i);
/** The longest number that is read. No double needs that many bytes, so the limit bounds the string that is made. */
const MAX_LENGTH = 400;

/** Returns the number in body[from, to); undefined: the bytes are not a number. */
export function parseNumber(body: Buffer, from: number, to: number): number | undefined {
  // Nearly all samples are plain decimals. For them one division of two exact doubles, correctly rounded, gives the same
  // result as Number().
  let digits = 0;
  let value = 0;
  let fraction = -1;
  for (let p = from; p < to; p++) {
    const byte = body[p] as number;
    if (byte >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      digits++;
      if (fraction >= 0) fraction++;
    } else if (byte === DOT && fraction < 0) {
      fraction = 0;
    } else {
      return parseOther(body, from, to);
    }
  }
  if (digits === 0) return undefined;
  if (digits > EXACT_DIGITS) return parseOther(body, from, to);
  return fraction > 0 ? value / (POWERS[fraction] as number) : value;
}

const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
const INFINITE = /^([+-]?)inf(inity)?$/i;

function parseOther(body: Buffer, from: number, to: number): number | undefined {
  if (to - from > MAX_LENGTH) return undefined;
  const text = body.toString("latin1", from, to);
  if (NUMBER.test(text)) return Number(text);
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const infinite = INFINITE.exec(text);
  if (infinite === null) return undefined;
  return infinite[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
