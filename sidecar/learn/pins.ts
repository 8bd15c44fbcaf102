// What the configuration pins replaces what is learned. This file also has the log lines about what is learned.
import type { Log } from "../log.ts";
import type { LearnedCosts, LearnedServer, Pins } from "./server-costs.ts";
import { CLASSES, type Tokenizer } from "./tokenizer-fit.ts";

/** Returns the pinned tokenizer; undefined: it is not pinned. */
export function pinnedTokenizer({ bytesPerToken }: Pins): Tokenizer | undefined {
  if (bytesPerToken === undefined) return undefined;
  return { tokensPerRequest: 0, tokensPerByte: new Array<number>(CLASSES).fill(1 / bytesPerToken) };
}

/** A pin and a learned value that differ by more than this factor are logged. */
const CONTRADICTION = 2;
/** Windows until a learned tokenizer may contradict a pin. */
const SURE_WINDOWS = 10;

/** Logs each model's first learned values, and each pin that the learned value contradicts, once. */
export class PinCheck {
  readonly #log: Log;
  readonly #logged = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  tokenizer(model: string, { tokensPerRequest, tokensPerByte }: Tokenizer, windows: number, pins: Pins): void {
    if (windows < SURE_WINDOWS) return;
    const rounded = tokensPerByte.map((value) => Math.round(value * 1000) / 1000);
    if (this.#first(`tokens ${model}`))
      this.#log.info(
        { model, tokensPerRequest: Math.round(tokensPerRequest), tokensPerByte: rounded },
        "tokens learned",
      );
    // A pin has one number for all classes. Lower-case letters are the most frequent bytes of most prompts.
    if (pins.bytesPerToken !== undefined)
      this.#compare(`bytesPerToken ${model}`, { model }, pins.bytesPerToken, 1 / (tokensPerByte[0] as number));
  }

  server({ address, models }: LearnedServer, { rate, step, sequence }: LearnedCosts, pins: Pins): void {
    const model = models[0] as string;
    if (rate !== undefined) {
      const prefillRate = Math.round(rate);
      if (this.#first(`costs ${model}`))
        this.#log.info({ model, endpoint: address, prefillRate, step, sequence }, "costs learned");
      this.#compare(`prefillRate ${model}`, { model, endpoint: address }, pins.prefillRate, prefillRate);
    }
    this.#compare(`step ${model}`, { model, endpoint: address }, pins.stepSeconds, step);
    this.#compare(`sequence ${model}`, { model, endpoint: address }, pins.sequenceSeconds, sequence);
  }

  #compare(key: string, of: object, pinned: number | undefined, learned: number | undefined): void {
    if (pinned === undefined || learned === undefined) return;
    if (Math.abs(Math.log(pinned / learned)) <= Math.log(CONTRADICTION) || !this.#first(`pin ${key}`)) return;
    const [value] = key.split(" ");
    this.#log.warn(
      { ...of, value, pinned, learned },
      "a pinned value differs from the learned one by more than 2 times",
    );
  }

  #first(key: string): boolean {
    if (this.#logged.has(key)) return false;
    this.#logged.add(key);
    return true;
  }
}
