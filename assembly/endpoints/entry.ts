// What this worker knows of one endpoint, beyond the snapshot. A record has a part for each module that learns something; only
// that module writes its part. The parts stand here and not in their modules because an entry is one piece of memory (a pick reads
// several parts of each candidate), and because the modules need the entry.

/** in-flight.ts: requests. */
@unmanaged
export class InFlight {
  /** Instant of the scrape with which `unseenAverage` ends, ms since the epoch. */
  scrapedAt: u64 = 0;
  /** Streams of this worker on the endpoint: exact. */
  own: i32 = 0;
  /** What the other workers last published (workers/counts.ts), and how many of these were settled then. */
  others: i32 = 0;
  othersSettled: i32 = 0;
  /** What this worker last published: `own`, and how many of these were settled then. */
  published: i32 = 0;
  publishedSettled: i32 = 0;
  /** Of `own`, the requests that started in the generation `freshSince`. */
  fresh: i32 = 0;
  freshSince: u32 = 0;
  /** Requests that the model server reported and that no worker of any Envoy sent, averaged over 2 s. */
  unseenAverage: f32 = 0;
}

/** waiting-tokens.ts: uncached prompt tokens. */
@unmanaged
class WaitingTokens {
  /** Instant of `queue`, ns. */
  queueAt: u64 = 0;
  /** Estimate of the tokens that are still to be prefilled. */
  queue: f32 = 0;
  /** Of this worker's requests without a first byte: exact. */
  pending: i32 = 0;
  /** All that this worker ever sent (wraps), and the part that it published. */
  sent: i32 = 0;
  publishedSent: i32 = 0;
  /** What the other workers of this Envoy last published. */
  workersPending: i32 = 0;
  workersSent: i32 = 0;
  /** The same with what other Envoys have. */
  othersPending: i32 = 0;
  othersSent: i32 = 0;
  /** Sums of the current round of the exchange (in-flight.ts). */
  receivedPending: i32 = 0;
  receivedSent: i32 = 0;
}

/** remote.ts: requests and tokens of other Envoys, and what this Envoy had when they were received. */
@unmanaged
class Remote {
  requests: i32 = 0;
  /** Of these, the settled ones. */
  settled: i32 = 0;
  pending: i32 = 0;
  sent: i32 = 0;
  /** In-flight requests of this Envoy when the section REMOTE last came, and when it came the time before. */
  local: i32 = 0;
  localBefore: i32 = 0;
  /** Tokens that this Envoy had ever sent then. */
  localSent: i32 = 0;
  localSentBefore: i32 = 0;
}

/** load-reports.ts: what the endpoint reported with an answer. */
@unmanaged
class LoadReport {
  /** When, ns; 0: never. */
  at: u64 = 0;
  /** -1: not reported. */
  waiting: f32 = 0;
  kv: f32 = 0;
}

/** speed.ts */
@unmanaged
class Speed {
  /** Logarithm of how many times as long as predicted its answers take. */
  slowness: f32 = 0;
  samples: u32 = 0;
}

/** health.ts */
@unmanaged
class Health {
  /** Instants, ns. */
  ejectedUntil: u64 = 0;
  rampFrom: u64 = 0;
  goneAt: u64 = 0;
  ejectionMilliseconds: u32 = 0;
  rampMilliseconds: u32 = 0;
  /** In a row. */
  ejections: u32 = 0;
  failures: u32 = 0;
  /** In the last snapshot. */
  usable: bool = false;
}

/** adapters.ts: adapters of the endpoint in the current snapshot. */
@unmanaged
class AdapterCounts {
  /** With running requests. */
  active: u32 = 0;
  /** With waiting requests only. */
  waiting: u32 = 0;
}

/** entries.ts writes these fields. */
@unmanaged
export class Entry {
  /** Of the endpoint's address; 0: the record is free. */
  hash: u64 = 0;
  /** Index in the current snapshot; NONE: the snapshot does not have it. */
  endpoint: u32 = 0;
  /** Endpoints get numbers in the order in which they come; a number is given once (endpoints/cache/). */
  number: u32 = 0;

  get inFlight(): InFlight {
    return changetype<InFlight>(changetype<usize>(this) + IN_FLIGHT);
  }
  get tokens(): WaitingTokens {
    return changetype<WaitingTokens>(changetype<usize>(this) + TOKENS);
  }
  get remote(): Remote {
    return changetype<Remote>(changetype<usize>(this) + REMOTE);
  }
  get report(): LoadReport {
    return changetype<LoadReport>(changetype<usize>(this) + REPORT);
  }
  get speed(): Speed {
    return changetype<Speed>(changetype<usize>(this) + SPEED);
  }
  get health(): Health {
    return changetype<Health>(changetype<usize>(this) + HEALTH);
  }
  get adapters(): AdapterCounts {
    return changetype<AdapterCounts>(changetype<usize>(this) + ADAPTERS);
  }
}

// Each part begins at a multiple of 8.
const IN_FLIGHT: u32 = (<u32>offsetof<Entry>() + 7) & ~7;
const TOKENS: u32 = IN_FLIGHT + ((<u32>offsetof<InFlight>() + 7) & ~7);
const REMOTE: u32 = TOKENS + ((<u32>offsetof<WaitingTokens>() + 7) & ~7);
const REPORT: u32 = REMOTE + ((<u32>offsetof<Remote>() + 7) & ~7);
const SPEED: u32 = REPORT + ((<u32>offsetof<LoadReport>() + 7) & ~7);
const HEALTH: u32 = SPEED + ((<u32>offsetof<Speed>() + 7) & ~7);
const ADAPTERS: u32 = HEALTH + ((<u32>offsetof<Health>() + 7) & ~7);
export const ENTRY_BYTES: u32 = ADAPTERS + ((<u32>offsetof<AdapterCounts>() + 7) & ~7);
