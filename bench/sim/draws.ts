// Random draws of the loads from distributions. The same seed gives the same draws on every machine: Math.log and Math.cos may
// differ in the last bit only, and every user rounds the draws.
import { type Tokenizer, tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { Random } from "../../testkit/random.ts";
import { type TextKind, textOf } from "./texts/text.ts";

/** What the loads' texts are made of, and which tokenizer counts their tokens. */
interface Texts {
  kind: TextKind;
  tokenizer: Tokenizer;
}

const FOUR_BYTES: Texts = { kind: "noise", tokenizer: tokenizerOf("bytes", 4) };

export class Draws extends Random {
  readonly texts: Texts;

  constructor(seed: number, texts: Texts = FOUR_BYTES) {
    super(seed);
    this.texts = texts;
  }

  /** Time to the next event of a Poisson process, in ms. */
  gap(perSecond: number): number {
    return (-Math.log(1 - this.fraction()) / perSecond) * 1000;
  }

  /** A whole number from a lognormal distribution, cut at both ends. */
  lognormal(median: number, sigma: number, least: number, most: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction());
    return Math.min(most, Math.max(least, Math.round(median * Math.exp(sigma * normal))));
  }

  /** A random index, with a probability in proportion to its weight. */
  weighted(weights: readonly number[]): number {
    let left = this.fraction() * weights.reduce((sum, weight) => sum + weight, 0);
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return drawn < 0 ? weights.length - 1 : drawn;
  }

  /** A random text of `tokens` tokens, which hardly ever occurs twice. With a vocabulary the number is not exact (textOf). */
  text(tokens: number, kind: TextKind = this.texts.kind): string {
    return textOf(this, kind, tokens, this.texts.tokenizer);
  }
}
