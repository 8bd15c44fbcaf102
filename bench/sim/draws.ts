// Random draws of the loads, from distributions. Same seed, same draws, on every machine: Math.log and Math.cos differ
// between machines in the last bit at most, and every draw is rounded by its user.
import { Random } from "../../testkit/random.ts";

export class Draws extends Random {
  /** Time to the next event of a Poisson process, in ms. */
  gap(perSecond: number): number {
    return (-Math.log(1 - this.fraction()) / perSecond) * 1000;
  }

  /** A whole number from a lognormal distribution, cut at both ends. */
  lognormal(median: number, sigma: number, least: number, most: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction());
    return Math.min(most, Math.max(least, Math.round(median * Math.exp(sigma * normal))));
  }

  /** An index, as often as its weight says. */
  weighted(weights: readonly number[]): number {
    let left = this.fraction() * weights.reduce((sum, weight) => sum + weight, 0);
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return drawn < 0 ? weights.length - 1 : drawn;
  }

  /** Text of `tokens` tokens of four bytes, words of the alphabet, that hardly ever occurs twice. */
  text(tokens: number): string {
    let text = "";
    const bytes = tokens * 4;
    while (text.length < bytes) text += `${this.next().toString(36)} `;
    return text.slice(0, bytes);
  }
}
