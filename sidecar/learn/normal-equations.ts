// Least squares in information form: A = sum of w x xT and b = sum of w x y are kept, never the data. Older data fade by a factor,
// and a prior is one more term that does not fade. Sizes are small (3 to 7), so every solution is computed anew.

export class NormalEquations {
  readonly size: number;
  /** Row by row, symmetric. */
  readonly a: Float64Array;
  readonly b: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.a = new Float64Array(size * size);
    this.b = new Float64Array(size);
  }

  /** Adds an observation y = x · beta with the weight w, the inverse of its variance. A value that is not finite changes nothing. */
  add(x: readonly number[], y: number, w: number): void {
    if (!Number.isFinite(y) || !(w > 0) || !Number.isFinite(w) || !x.every(Number.isFinite)) return;
    for (let i = 0; i < this.size; i++) {
      const wx = w * (x[i] as number);
      for (let j = 0; j < this.size; j++) (this.a[i * this.size + j] as number) += wx * (x[j] as number);
      (this.b[i] as number) += wx * y;
    }
  }

  /** Adds `factor` times the data of `other`, as if each y had been multiplied by `scale` and each x by `xScale`. */
  addScaled(other: NormalEquations, factor: number, xScale = 1): void {
    for (let i = 0; i < this.a.length; i++) (this.a[i] as number) += factor * xScale * xScale * (other.a[i] as number);
    for (let i = 0; i < this.b.length; i++) (this.b[i] as number) += factor * xScale * (other.b[i] as number);
  }

  /** Adds a prior: beta[i] is `mean`, with the precision `precision`, the inverse of its variance. */
  addPrior(i: number, mean: number, precision: number): void {
    (this.a[i * this.size + i] as number) += precision;
    (this.b[i] as number) += precision * mean;
  }

  /** Makes all data count `factor` as much, 0 to 1. */
  fade(factor: number): void {
    for (let i = 0; i < this.a.length; i++) (this.a[i] as number) *= factor;
    for (let i = 0; i < this.b.length; i++) (this.b[i] as number) *= factor;
  }

  copy(): NormalEquations {
    const made = new NormalEquations(this.size);
    made.a.set(this.a);
    made.b.set(this.b);
    return made;
  }

  /** Returns xT A x. */
  quadratic(x: readonly number[]): number {
    let sum = 0;
    for (let i = 0; i < this.size; i++)
      for (let j = 0; j < this.size; j++)
        sum += (this.a[i * this.size + j] as number) * (x[i] as number) * (x[j] as number);
    return sum;
  }

  /** Returns bT x. */
  linear(x: readonly number[]): number {
    return x.reduce((sum, each, i) => sum + each * (this.b[i] as number), 0);
  }

  /**
   * Returns the beta within the bounds that minimises betaT A beta - 2 bT beta, by fixing parameters that leave their bounds, and
   * the variance of each parameter that is not fixed. undefined: the data and priors do not determine beta.
   */
  solve(lower: readonly number[], upper: readonly number[]): { beta: number[]; variance: number[] } | undefined {
    const n = this.size;
    const fixed = new Array<number | undefined>(n).fill(undefined);
    for (let round = 0; round <= n; round++) {
      const free = [...fixed.keys()].filter((i) => fixed[i] === undefined);
      const solved = this.#solveFree(free, fixed);
      if (solved === undefined) return undefined;
      let worst = -1;
      let excess = 0;
      for (const [k, i] of free.entries()) {
        const value = solved.beta[k] as number;
        const sigma = Math.sqrt(solved.variance[k] as number);
        const out = Math.max((lower[i] as number) - value, value - (upper[i] as number)) / sigma;
        if (out > excess) {
          excess = out;
          worst = i;
        }
      }
      if (worst < 0) {
        const beta = fixed.map((value) => value ?? 0);
        const variance = new Array<number>(n).fill(0);
        for (const [k, i] of free.entries()) {
          beta[i] = solved.beta[k] as number;
          variance[i] = solved.variance[k] as number;
        }
        return { beta, variance };
      }
      const value = solved.beta[free.indexOf(worst)] as number;
      fixed[worst] = value < (lower[worst] as number) ? lower[worst] : upper[worst];
    }
    return undefined;
  }

  /** Solves for the parameters `free` by Cholesky's decomposition, with the diagonal scaled to 1. */
  #solveFree(free: readonly number[], fixed: readonly (number | undefined)[]): Solved | undefined {
    const m = free.length;
    const scale = free.map((i) => Math.sqrt(this.a[i * this.size + i] as number));
    if (!scale.every((each) => each > 0 && Number.isFinite(each))) return undefined;
    const l = new Float64Array(m * m);
    const right = free.map((i, k) => {
      const known = fixed.reduce<number>(
        (sum, value, j) => sum + (value ?? 0) * (this.a[i * this.size + j] as number),
        0,
      );
      return ((this.b[i] as number) - known) / (scale[k] as number);
    });
    for (let r = 0; r < m; r++) {
      for (let c = 0; c <= r; c++) {
        const at = (free[r] as number) * this.size + (free[c] as number);
        let value = (this.a[at] as number) / ((scale[r] as number) * (scale[c] as number));
        for (let k = 0; k < c; k++) value -= (l[r * m + k] as number) * (l[c * m + k] as number);
        if (r !== c) l[r * m + c] = value / (l[c * m + c] as number);
        else if (value > MIN_PIVOT) l[r * m + r] = Math.sqrt(value);
        else return undefined;
      }
    }
    const beta = substitute(l, right);
    const variance = free.map((_, k) => {
      const column = substitute(
        l,
        free.map((_, i) => (i === k ? 1 : 0)),
      );
      return (column[k] as number) / (scale[k] as number) ** 2;
    });
    return { beta: beta.map((value, k) => value / (scale[k] as number)), variance };
  }
}

/** Parameters that are this close to a combination of the others are not determined by the data. */
const MIN_PIVOT = 1e-10;

interface Solved {
  beta: number[];
  variance: number[];
}

/** Solves L LT x = b. */
function substitute(l: Float64Array, b: readonly number[]): number[] {
  const m = b.length;
  const x = [...b];
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < i; k++) (x[i] as number) -= (l[i * m + k] as number) * (x[k] as number);
    (x[i] as number) /= l[i * m + i] as number;
  }
  for (let i = m - 1; i >= 0; i--) {
    for (let k = i + 1; k < m; k++) (x[i] as number) -= (l[k * m + i] as number) * (x[k] as number);
    (x[i] as number) /= l[i * m + i] as number;
  }
  return x;
}
