// Learns how many tokens the text of a prompt has, for one model: Bayesian least squares over windows of requests.
//
//   tokens = r · requests + sum over the byte classes c of t(c) · bytes(c) + foreign requests · (mean own request + f)
//
// r, t(c)  tokens a request and tokens a byte of a class. Before any data t(c) is 1/4, with a variance that all classes share (a
//          tokenizer makes many or few tokens of every text) and one of its own (a tokenizer has another language)
// f        how many tokens a request of somebody else has more than ours. Only the server counts such requests
//
// Each window has a variance: the tokens of its requests vary around the estimate, and a few requests at its ends are counted by
// one side only. Windows that do not fit count less (Huber), and older windows fade.
import { BYTE_CLASSES } from "../../protocol/constants.ts";
import { NormalEquations } from "./normal-equations.ts";

export const CLASSES: number = BYTE_CLASSES;

export interface Tokenizer {
  tokensPerRequest: number;
  /** For each byte class. */
  tokensPerByte: number[];
}

export const DEFAULT_TOKENS_PER_BYTE = 0.25;
const MIN_TOKENS_PER_BYTE = 1 / 16;
export const MAX_TOKENS_PER_BYTE = 2;
export const MAX_TOKENS_PER_REQUEST = 2000;

/** Prior standard deviations of tokens a byte: what all classes share, and what each has of its own. */
const COMMON_DEVIATION = 0.25;
const OWN_DEVIATION = 0.12;
/** Prior standard deviation of tokens a request, whose mean is 0 as in a filter that has learned nothing. */
const REQUEST_DEVIATION = 30;
/** Prior standard deviation of f, as a share of our mean request. */
const FOREIGN_DEVIATION = 0.3;
/** How much the tokens of one request deviate from the estimate, as a share. */
const REQUEST_NOISE = 0.15;
/** Residuals above this many standard deviations count less. */
const HUBER = 2;
/** Windows of ordinary size until a window counts half. */
const HALF_LIFE = 120;
/** A window with a larger sum is left out. */
const MAX_SUM = 1e12;
/** Parameters: tokens a request, tokens a byte of each class, f. */
const SIZE = CLASSES + 2;
const FOREIGN = CLASSES + 1;

/** The sums of one window. */
interface TokenWindow {
  /** Prompt tokens that the servers or `usage` counted. */
  tokens: number;
  /** Our requests among them. */
  requests: number;
  /** The bytes of our requests by class. */
  bytes: readonly number[];
  /** Requests that only the servers counted. Negative: requests of ours whose tokens another window has. */
  foreign: number;
  /** Requests at the window's ends of which it is not known on which side they were counted; 0 for `usage`. */
  straddling: number;
}

export class TokenizerFit {
  readonly #data = new NormalEquations(SIZE);
  /** Mean request of ours, as x of the regression, and its weight in windows. */
  #mean: number[] = new Array<number>(SIZE).fill(0);
  #windows = 0;
  /** Mean square of the windows' residuals in standard deviations. */
  #spread = 1;
  #current: number[] | undefined;

  /** Number of windows so far. */
  get windows(): number {
    return this.#windows;
  }

  /** What is learned; undefined before the first window. */
  get tokenizer(): Tokenizer | undefined {
    const beta = this.#current;
    if (beta === undefined) return undefined;
    return { tokensPerRequest: beta[0] as number, tokensPerByte: beta.slice(1, 1 + CLASSES) };
  }

  add(window: TokenWindow): void {
    const { tokens, requests, bytes, foreign, straddling } = window;
    if (requests <= 0 || !(tokens >= 0 && tokens <= MAX_SUM && Math.abs(foreign) <= MAX_SUM)) return;
    if (bytes.length !== CLASSES || !bytes.every((count) => count >= 0 && count <= MAX_SUM)) return;
    const own = [requests, ...bytes, 0];
    this.#updateMean(
      own.map((value) => value / requests),
      requests,
    );
    const x = own.map((value, i) => value + foreign * (this.#mean[i] as number));
    x[FOREIGN] = foreign;
    const beta = this.#current ?? PRIOR_MEAN;
    const tokensOfRequest = Math.max(1, dot(this.#mean, beta));
    // Sizes of requests vary about as much as their mean, so a sum of n² is about twice n times the mean's square.
    const unseen = Math.abs(foreign) + straddling;
    const variance = 2 * (requests * REQUEST_NOISE ** 2 + unseen) * tokensOfRequest ** 2 + 1;
    const residual = (tokens - dot(x, beta)) / Math.sqrt(variance * this.#spread);
    const huber = this.#windows < 5 ? 1 : Math.min(1, HUBER / Math.abs(residual));
    this.#data.fade(0.5 ** (1 / HALF_LIFE));
    this.#data.add(x, tokens, huber / variance);
    this.#windows++;
    this.#solve(tokensOfRequest);
    const after = ((tokens - dot(x, this.#current ?? beta)) ** 2 / variance) * huber;
    this.#spread = Math.min(
      20,
      Math.max(0.02, this.#spread + (after - this.#spread) / Math.min(this.#windows + 1, 20)),
    );
  }

  #updateMean(request: readonly number[], requests: number): void {
    const share = Math.max(1 / (this.#windows + 1), Math.min(0.05, requests / 600));
    this.#mean = this.#mean.map((value, i) => value + share * ((request[i] as number) - value));
  }

  #solve(tokensOfRequest: number): void {
    const all = new NormalEquations(SIZE);
    all.addScaled(this.#data, 1 / this.#spread);
    all.addPrior(0, 0, REQUEST_DEVIATION ** -2);
    addClassPrior(all);
    all.addPrior(FOREIGN, 0, (FOREIGN_DEVIATION * tokensOfRequest) ** -2);
    this.#current = all.solve(LOWER, UPPER)?.beta ?? this.#current;
  }
}

const LOWER = [0, ...new Array<number>(CLASSES).fill(MIN_TOKENS_PER_BYTE), Number.NEGATIVE_INFINITY];
const UPPER = [
  MAX_TOKENS_PER_REQUEST,
  ...new Array<number>(CLASSES).fill(MAX_TOKENS_PER_BYTE),
  Number.POSITIVE_INFINITY,
];
const PRIOR_MEAN = [0, ...new Array<number>(CLASSES).fill(DEFAULT_TOKENS_PER_BYTE), 0];

/**
 * Adds the prior of tokens a byte. Its covariance is o² I + c² 1 1T, with the inverse I / o² - 1 1T · c² / (o² (o² + n c²))
 * (Sherman and Morrison).
 */
function addClassPrior(equations: NormalEquations): void {
  const own = OWN_DEVIATION ** 2;
  const common = COMMON_DEVIATION ** 2;
  const shared = common / (own * (own + CLASSES * common));
  for (let i = 1; i <= CLASSES; i++) {
    for (let j = 1; j <= CLASSES; j++) {
      const precision = (i === j ? 1 / own : 0) - shared;
      (equations.a[i * SIZE + j] as number) += precision;
      (equations.b[i] as number) += precision * DEFAULT_TOKENS_PER_BYTE;
    }
  }
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, each, i) => sum + each * (y[i] as number), 0);
}
