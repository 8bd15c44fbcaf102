// Numbers in Prometheus text, read from their bytes.

const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;

/** Exact while digits fit a double's 53 bits; 15 always do. */
const EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => 10 ** i);
/** Longer than any double needs; a bound on what is turned into a string. */
const MAX_LENGTH = 400;

/** The number that body[from, to) spells, or undefined when it spells none. */
export function parseNumber(body: Buffer, from: number, to: number): number | undefined {
  // Plain decimals, as nearly all samples are: one correctly rounded division of two exact doubles, so the result is
  // the same that Number() gives.
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
