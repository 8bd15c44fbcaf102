// Counts a prompt's bytes by class, because a tokenizer makes unequal numbers of tokens of unequal bytes:
//   lower   a-z            upper   A-Z            digits   0-9
//   other   further bytes below 128               high     bytes from 128 on
//
// Each of the first ALL_BYTES bytes is counted. Beyond these, each STRETCH of bytes has one sample of SAMPLE bytes, which stands for
// the whole stretch. The place of the sample within its stretch follows the golden ratio, so a text that repeats with the stretch is
// sampled evenly. A byte's position in the prompt decides whether the byte is in a sample, however the prompt's bytes arrive.
//
// Invariant: the five counts add up to the number of bytes. So a client that knows where the samples are can misreport the mix of its
// prompt, and never the prompt's length.

/** Bytes that are all counted. */
const ALL_BYTES: u32 = 4096;
const STRETCH: u32 = 512;
const SAMPLE: u32 = 64;
/** How often each byte of a sample counts. */
const WEIGHT: u32 = STRETCH / SAMPLE;
/** The place of a sample is the top bits of its stretch's number times this: 2^32 divided by the golden ratio. */
const GOLDEN: u32 = 0x9e3779b1;
/** GOLDEN's product has 32 bits, and log2(WEIGHT) of them are the place. */
const PLACE_SHIFT: u32 = 32 - 3;
/** The lanes of a sum have 8 bits, and a sample adds at most 4 to a lane. */
const MAX_SAMPLES: u32 = 255 / 4;

/** Fewer than SAMPLE bytes, filled up with zeros. */
const part: usize = memory.data(SAMPLE, 16);

class Lanes {
  /** -1 in each lane whose byte is one of the `size` bytes up to `last`, which is below 128. */
  @inline
  static within(bytes: v128, size: i8, last: i8): v128 {
    // The sum wraps: `last` becomes 127, and all bytes above it become negative or smaller than the range's bytes.
    return i8x16.gt_s(i8x16.add(bytes, i8x16.splat(127 - last)), i8x16.splat(127 - size));
  }
  /** For each lane the number of the four vectors that have -1 there, added to `sum`. */
  @inline
  static count(sum: v128, a: v128, b: v128, c: v128, d: v128): v128 {
    return i8x16.sub(sum, i8x16.add(i8x16.add(a, b), i8x16.add(c, d)));
  }
  /** Sum of all lanes. */
  @inline
  static total(lanes: v128): u32 {
    const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(lanes));
    const halves = i32x4.add(sums, i64x2.shr_u(sums, 32));
    return i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 2);
  }
}

/** Counts of a prompt (prompt.ts). */
@unmanaged
export class ByteClasses {
  /** Bytes so far. */
  bytes: u32 = 0;
  /** The bytes by class, in the order of a tokenizer record (protocol/). The five counts add up to `bytes`. */
  lower: u32 = 0;
  upper: u32 = 0;
  digits: u32 = 0;
  other: u32 = 0;
  high: u32 = 0;
  // What was looked at: all bytes of the beginning, and WEIGHT times each byte of a sample.
  private looked: u32 = 0;
  private lowerSum: u32 = 0;
  private upperSum: u32 = 0;
  private digitSum: u32 = 0;
  private highSum: u32 = 0;

  /** Bytes of the class `k`, which is below BYTE_CLASSES (protocol/constants.ts). */
  bytesOf(k: u32): u32 {
    return load<u32>(changetype<usize>(this) + k * sizeof<u32>(), offsetof<ByteClasses>("lower"));
  }

  /** Begins with no byte. */
  clear(): void {
    memory.fill(changetype<usize>(this), 0, offsetof<ByteClasses>());
  }

  /** Counts the next bytes of the prompt. */
  countBytes(data: usize, length: u32): void {
    if (length == 0) return;
    const start = this.bytes;
    const end = start + length;
    this.bytes = end;
    if (start < ALL_BYTES) {
      const whole = min(length, ALL_BYTES - start) & ~(SAMPLE - 1);
      this.add(data, whole / SAMPLE, SAMPLE, 0, 0, 1);
      this.addPart(data + whole, min(length, ALL_BYTES - start) - whole, 1);
    }
    if (end > ALL_BYTES) this.addSamples(data - start, max(start, ALL_BYTES), end);
    this.scale();
  }

  /** Counts what samples have between the positions `start` and `end`. `origin`: where position 0 would be in memory. */
  private addSamples(origin: usize, start: u32, end: u32): void {
    let stretch = start / STRETCH;
    const first = sampleOf(stretch);
    if (first < start) {
      // The beginning of this sample was counted before.
      const cut = min(first + SAMPLE, end);
      if (cut > start) this.addPart(origin + start, cut - start, WEIGHT);
      stretch++;
    }
    let stop = end / STRETCH;
    const last = sampleOf(stop);
    if (last + SAMPLE <= end) stop++;
    else if (last < end && stop >= stretch) this.addPart(origin + last, end - last, WEIGHT);
    if (stop > stretch) this.add(origin + stretch * STRETCH, stop - stretch, STRETCH, stretch * GOLDEN, GOLDEN, WEIGHT);
  }

  /** Counts `length` bytes, fewer than SAMPLE. */
  private addPart(data: usize, length: u32, weight: u32): void {
    if (length == 0) return;
    memory.fill(part, 0, SAMPLE);
    memory.copy(part, data, length);
    this.add(part, 1, SAMPLE, 0, 0, weight);
    // The zeros are of no class that has a sum.
    this.looked -= (SAMPLE - length) * weight;
  }

  /** Counts one sample of each `step` bytes from `from` on. The top bits of `angle` are its place; `angle` rises by `turn`. */
  private add(from: usize, samples: u32, step: u32, angle: u32, turn: u32, weight: u32): void {
    this.looked += samples * SAMPLE * weight;
    while (samples > 0) {
      const some = min(samples, MAX_SAMPLES);
      samples -= some;
      let lower = i64x2.splat(0);
      let upper = i64x2.splat(0);
      let digits = i64x2.splat(0);
      let high = i64x2.splat(0);
      const end = from + some * step;
      do {
        const at = from + (angle >>> PLACE_SHIFT) * SAMPLE;
        const a = v128.load(at);
        const b = v128.load(at, 16);
        const c = v128.load(at, 32);
        const d = v128.load(at, 48);
        lower = Lanes.count(
          lower,
          Lanes.within(a, 26, 0x7a),
          Lanes.within(b, 26, 0x7a),
          Lanes.within(c, 26, 0x7a),
          Lanes.within(d, 26, 0x7a),
        );
        upper = Lanes.count(
          upper,
          Lanes.within(a, 26, 0x5a),
          Lanes.within(b, 26, 0x5a),
          Lanes.within(c, 26, 0x5a),
          Lanes.within(d, 26, 0x5a),
        );
        digits = Lanes.count(
          digits,
          Lanes.within(a, 10, 0x39),
          Lanes.within(b, 10, 0x39),
          Lanes.within(c, 10, 0x39),
          Lanes.within(d, 10, 0x39),
        );
        const zero = i64x2.splat(0);
        high = Lanes.count(high, i8x16.gt_s(zero, a), i8x16.gt_s(zero, b), i8x16.gt_s(zero, c), i8x16.gt_s(zero, d));
        from += step;
        angle += turn;
      } while (from < end);
      this.lowerSum += Lanes.total(lower) * weight;
      this.upperSum += Lanes.total(upper) * weight;
      this.digitSum += Lanes.total(digits) * weight;
      this.highSum += Lanes.total(high) * weight;
    }
  }

  /** Derives the five counts from the sums. */
  private scale(): void {
    this.lower = this.share(this.lowerSum);
    this.upper = this.share(this.upperSum);
    this.digits = this.share(this.digitSum);
    this.high = this.share(this.highSum);
    this.other = this.bytes - this.lower - this.upper - this.digits - this.high;
  }

  /** `sum` of the bytes that were looked at, as a number of all bytes. Rounded down, so the four shares are at most all bytes. */
  private share(sum: u32): u32 {
    return this.looked == this.bytes ? sum : <u32>((<u64>sum * this.bytes) / this.looked);
  }
}

/** Address of the counts by class: BYTE_CLASSES u32, in the order of a tokenizer record (protocol/). */
export function classCounts(classes: ByteClasses): usize {
  return changetype<usize>(classes) + offsetof<ByteClasses>("lower");
}

/** Position where the sample of a stretch begins. */
function sampleOf(stretch: u32): u32 {
  return stretch * STRETCH + ((stretch * GOLDEN) >>> PLACE_SHIFT) * SAMPLE;
}
