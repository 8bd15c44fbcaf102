// What snapshots have said about a server's costs and a model's tokens so far. Each next snapshot differs from the last one only
// gradually.
import type { Reading } from "../engines/reading.ts";
import { Gradual } from "./gradual.ts";
import type { LearnedCosts, Pins, ServerCosts } from "./server-costs.ts";
import { CLASSES, DEFAULT_TOKENS_PER_BYTE, type Tokenizer } from "./tokenizer-fit.ts";

/** The prefill rate that a filter assumes before it is told one. */
const DEFAULT_RATE = 20_000;
/** Tokens by which a request's own tokens may change in a second. */
const REQUEST_TOKENS_CHANGE = 10;

export class ToldServer {
  #rate: Gradual | undefined;
  #step: Gradual | undefined;
  #sequence: Gradual | undefined;
  #capacity: Gradual | undefined;

  /** Returns what the next snapshot says. `at`: ms. */
  costs(learned: LearnedCosts, pins: Pins, reading: Reading | null, at: number): ServerCosts {
    if (learned.rate !== undefined) {
      this.#rate ??= new Gradual(DEFAULT_RATE, at);
      this.#rate.follow(learned.rate, at);
    }
    if (learned.step !== undefined) {
      this.#step ??= new Gradual(learned.step, at);
      this.#step.follow(learned.step, at);
    }
    if (learned.sequence !== undefined) {
      this.#sequence ??= new Gradual(learned.sequence, at);
      this.#sequence.follow(learned.sequence, at);
    }
    const prefillRate = pins.prefillRate ?? this.#rate?.value;
    const stepSeconds = pins.stepSeconds ?? this.#step?.value;
    const sequenceSeconds = pins.sequenceSeconds ?? this.#sequence?.value;
    const kvBlocks = this.#blocks(learned.capacityFactor ?? 1, pins, reading, at);
    return {
      ...(prefillRate !== undefined && { prefillRate }),
      ...(stepSeconds !== undefined && { stepSeconds }),
      ...(sequenceSeconds !== undefined && { sequenceSeconds }),
      ...(kvBlocks !== undefined && { kvBlocks }),
    };
  }

  #blocks(capacityFactor: number, { cacheTokens }: Pins, reading: Reading | null, at: number): number | undefined {
    if (reading === null || reading.blockTokens === null) return undefined;
    if (cacheTokens !== undefined) return Math.max(1, Math.round(cacheTokens / reading.blockTokens));
    if (reading.kvBlocks === null) return undefined;
    const factor = capacityFactor * Math.max(1, offloadFactor(reading));
    this.#capacity ??= new Gradual(factor, at);
    return Math.max(1, Math.round(reading.kvBlocks * this.#capacity.follow(factor, at)));
  }
}

/** Returns the memory for blocks outside the GPU as a multiple of the GPU's; 0: there is none, or its size is not known. */
function offloadFactor({ offloadGiB, cacheBytes }: Reading): number {
  return offloadGiB === null || cacheBytes === null ? 0 : Math.min(MAX_OFFLOAD, (offloadGiB * 2 ** 30) / cacheBytes);
}

const MAX_OFFLOAD = 1000;

export class ToldTokenizer {
  #perRequest = 0;
  #at: number;
  readonly #perByte: Gradual[];

  /** `at`: ms. */
  constructor(at: number) {
    this.#at = at;
    this.#perByte = Array.from({ length: CLASSES }, () => new Gradual(DEFAULT_TOKENS_PER_BYTE, at));
  }

  follow({ tokensPerRequest, tokensPerByte }: Tokenizer, at: number): void {
    const most = (REQUEST_TOKENS_CHANGE * Math.max(0, at - this.#at)) / 1000;
    this.#at = Math.max(at, this.#at);
    this.#perRequest += Math.min(most, Math.max(-most, tokensPerRequest - this.#perRequest));
    for (const [i, value] of this.#perByte.entries()) value.follow(tokensPerByte[i] as number, at);
  }

  get tokenizer(): Tokenizer {
    return { tokensPerRequest: this.#perRequest, tokensPerByte: this.#perByte.map(({ value }) => value) };
  }
}
