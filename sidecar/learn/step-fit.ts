// Learns what the steps of the servers of one model cost, by least squares over the observations of all of them:
//
//   seconds = speed · (a · steps + b · prefill tokens + c · sequences)
//
// Servers of one model mostly differ in their speed only, so a, b and c are learned of all together (the shape), and each
// server's speed of itself. A server may also have another shape: its own data then outweigh the shape of all, which is the prior.
// All are at least 0. Data fade with the time that the server was busy: soon for its speed and its own costs, later for the shape.
import { NormalEquations } from "./normal-equations.ts";
import type { StepObservation } from "./step-windows.ts";

export interface StepCosts {
  /** Seconds of a step without its prefill and its sequences. */
  step: number;
  /** Seconds of a prefill token. */
  prefill: number;
  /** Seconds that one more sequence adds to a step. */
  sequence: number;
}

/** Seconds of busy time until data count half, for the shape and for a server's own costs. */
const HALF_LIFE_S = 60;
const OWN_HALF_LIFE_S = 20;
/** One observation, however long, fades the others by at most so many half-lives. */
const MAX_FADE = 0.1;
/** Residuals above this many standard deviations count less. */
const HUBER = 2;
/** A window that is shorter by more than this has tokens that another window computed, and counts still less. */
const SHORT = 4;
/**
 * A server's costs that differ by less than EQUAL from those of all, as a logarithm, are told as equal; from UNEQUAL on they are
 * told as they are. Otherwise a small error makes a server look faster, so that it gets more requests than it can serve.
 */
const EQUAL = 0.15;
const UNEQUAL = 0.3;
/** Prior standard deviations: of a server's speed, and of each of its costs beside its speed, as shares. */
const SPEED_DEVIATION = 1;
const SHAPE_DEVIATION = 0.2;
/** A cost that is known worse than this, as a share, is not told. */
const MAX_DEVIATION = 0.35;
const SIZE = 3;

/** Weak priors of the shape: mean and standard deviation, seconds. Their widths span a CPU and a large accelerator. */
const WEAK: ReadonlyArray<readonly [mean: number, deviation: number]> = [
  [0.01, 0.1],
  [1 / 20_000, 1 / 500],
  [0.0001, 0.0015],
];

class ServerData {
  /** What the server adds to the shape. */
  readonly data = new NormalEquations(SIZE);
  /** What its speed and its own costs come from. */
  readonly recent = new NormalEquations(SIZE);
  observations = 0;
  /** Faded sums of prefill tokens, prompts, sequences and steps. */
  usual = [0, 0, 0, 0];
  speed = 1;
  costs: number[] | undefined;
}

export class StepFit {
  readonly #servers = new Map<string, ServerData>();
  #shape: number[] | undefined;
  #shapeVariance: number[] = [];
  /** Mean square of the residuals in standard deviations. */
  #spread = 1;
  /** Tokens of the usual prompt, and sequences of the usual step: those of the median server. */
  #usual = { prompt: 0, sequences: 0 };

  add(address: string, observation: StepObservation): void {
    let server = this.#servers.get(address);
    if (server === undefined) {
      server = new ServerData();
      this.#servers.set(address, server);
    }
    const { seconds, steps, prefillTokens, prompts, sequences, deviation, tokensDeviation } = observation;
    if (!(deviation > 0) || !(seconds >= 0)) return;
    const x = [steps, prefillTokens, sequences];
    server.data.fade(0.5 ** Math.min(MAX_FADE, seconds / HALF_LIFE_S));
    server.recent.fade(0.5 ** Math.min(MAX_FADE, seconds / OWN_HALF_LIFE_S));
    const known = server.costs ?? this.#shape;
    const prefill = known?.[1] ?? (WEAK[1]?.[0] as number);
    let weight = 1 / (deviation ** 2 + (prefill * tokensDeviation) ** 2);
    if (known !== undefined) {
      const residual = (seconds - dot(x, known)) * Math.sqrt(weight / this.#spread);
      if (residual < -SHORT) weight *= (HUBER * SHORT) / residual ** 2;
      else weight *= Math.min(1, HUBER / Math.abs(residual));
      this.#spread += (Math.min(25, residual * residual) * this.#spread - this.#spread) / 50;
      this.#spread = Math.min(100, Math.max(0.1, this.#spread));
    }
    server.data.add(x, seconds, weight);
    server.recent.add(x, seconds, weight);
    server.observations++;
    if (prompts > 0) {
      const fade = 0.5 ** Math.min(MAX_FADE, seconds / HALF_LIFE_S);
      const sums = [prefillTokens, prompts, sequences, steps];
      server.usual = server.usual.map((sum, i) => sum * fade + (sums[i] as number));
    }
  }

  /** Whether something of the server's own steps is known. */
  observed(address: string): boolean {
    return this.#servers.has(address);
  }

  forget(address: string): void {
    this.#servers.delete(address);
  }

  /** Solves for the shape and for each server. Call it about once a second. */
  solve(): void {
    const servers = [...this.#servers.values()].filter(({ observations }) => observations > 0);
    if (servers.length === 0) return;
    for (let round = 0; round < 3; round++) {
      const all = new NormalEquations(SIZE);
      for (const { data, speed } of servers) all.addScaled(data, 1 / this.#spread, speed);
      for (const [i, [mean, deviation]] of WEAK.entries()) all.addPrior(i, mean, deviation ** -2);
      const solved = all.solve(NONE, NO_LIMIT);
      if (solved === undefined) return;
      this.#shape = solved.beta;
      this.#shapeVariance = solved.variance;
      for (const server of servers) server.speed = this.#speedOf(server, solved.beta);
      const middle = median(servers.map(({ speed }) => speed)) ?? 1;
      for (const server of servers) server.speed /= middle;
      this.#shape = solved.beta.map((value) => value * middle);
      this.#shapeVariance = solved.variance.map((value) => value * middle ** 2);
    }
    for (const server of servers) this.#solveServer(server);
    const busy = servers
      .map(({ usual }) => usual as [number, number, number, number])
      .filter(([, prompts]) => prompts > 0);
    this.#usual = {
      prompt: median(busy.map(([tokens, prompts]) => tokens / prompts)) ?? 0,
      sequences: median(busy.map(([, , sequences, steps]) => sequences / steps)) ?? 0,
    };
  }

  #speedOf({ recent }: ServerData, shape: readonly number[]): number {
    const prior = SPEED_DEVIATION ** -2;
    const speed = (recent.linear(shape) / this.#spread + prior) / (recent.quadratic(shape) / this.#spread + prior);
    return Math.min(100, Math.max(0.01, speed));
  }

  #solveServer(server: ServerData): void {
    const shape = this.#shape as number[];
    const equations = new NormalEquations(SIZE);
    equations.addScaled(server.recent, 1 / this.#spread);
    for (const [i, value] of shape.entries()) {
      const mean = value * server.speed;
      const deviation = Math.max(SHAPE_DEVIATION * mean, 0.01 * (WEAK[i]?.[1] as number));
      equations.addPrior(i, mean, deviation ** -2);
    }
    const solved = equations.solve(NONE, NO_LIMIT);
    if (solved === undefined) return;
    server.costs = solved.beta;
  }

  /**
   * Returns how many tokens a second a server prefills while prompts wait. The step that prefills a prompt has the cost of a step and
   * of its sequences too: rate = tokens of the usual prompt / (step + sequence · usual sequences + prefill · tokens). undefined: not
   * known.
   */
  drainRateOf(address: string): number | undefined {
    const { step = 0, prefill, sequence = 0 } = this.costsOf(address);
    if (prefill === undefined) return undefined;
    const { prompt, sequences } = this.#usual;
    if (!(prompt > 0)) return 1 / prefill;
    return prompt / (step + sequence * sequences + prefill * prompt);
  }

  /** Returns what a server's steps cost, of itself or else of the other servers. A cost that is not known well is left out. */
  costsOf(address: string): Partial<StepCosts> {
    const server = this.#servers.get(address);
    const costs = server?.costs ?? this.#shape;
    if (costs === undefined) return {};
    const deviations = costs.map((_, i) => {
      const shared =
        Math.sqrt(this.#shapeVariance[i] ?? Number.POSITIVE_INFINITY) / ((this.#shape?.[i] as number) || 1);
      return (this.#shape?.[i] ?? 0) > 0 ? shared : Number.POSITIVE_INFINITY;
    });
    const [step, prefill, sequence] = costs.map((value, i) =>
      value > 0 && (deviations[i] as number) < MAX_DEVIATION ? snapped(value, this.#shape?.[i] as number) : undefined,
    );
    return {
      ...(step !== undefined && { step }),
      ...(prefill !== undefined && { prefill }),
      ...(sequence !== undefined && { sequence }),
    };
  }
}

/** Returns `value`, or `usual` if the two differ little. */
function snapped(value: number, usual: number): number {
  const difference = Math.log(value / usual);
  const own = Math.min(1, Math.max(0, (Math.abs(difference) - EQUAL) / (UNEQUAL - EQUAL)));
  return usual * Math.exp(own * difference);
}

const NONE = [0, 0, 0];
const NO_LIMIT = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, each, i) => sum + each * (y[i] as number), 0);
}

/** undefined: there is no value. */
function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
