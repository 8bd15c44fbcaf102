// A pseudo-random generator: xorshift64*, from Vigna, "An experimental exploration of Marsaglia's xorshift generators,
// scrambled" (2016). Its numbers spread load. Nothing that must be unguessable depends on them.
@unmanaged
export class Random {
  state: u64 = 0;

  next(): u32 {
    let x = this.state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    this.state = x;
    return <u32>((x * 0x2545f4914f6cdd1d) >> 32);
  }

  /** A random number in [0, 1). */
  fraction(): f32 {
    return <f32>(this.next() >> 8) * (1.0 / 16777216.0);
  }
}

export function newRandom(seed: u64): Random {
  const random = changetype<Random>(heap.alloc(offsetof<Random>()));
  random.state = seed == 0 ? 0x9e3779b97f4a7c15 : seed;
  return random;
}
