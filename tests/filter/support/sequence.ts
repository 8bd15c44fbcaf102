/** Returns a pseudorandom sequence, by the generator of Numerical Recipes. Any sequence that is the same in each run is good enough. */
export function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
