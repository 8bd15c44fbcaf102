// What this worker knows of one endpoint, beyond the snapshot. An entry has a part for each module that learns about endpoints.
// Only that module writes its part. All parts are declared here, for two reasons: an entry is one piece of memory, because a pick
// reads several parts of each candidate; and each of these modules imports the entry.

/** The part of in-flight.ts: requests. */
@unmanaged
export class InFlight {
  /** In-flight requests of this worker on the endpoint; exact. */
  own: i32 = 0;
  /** The value of `own` that this worker last published, and how many of these requests were settled then. */
  published: i32 = 0;
  publishedSettled: i32 = 0;
  /** What this worker last published and did not have in its share: requests, and units of waiting tokens. */
  publishedUnshared: i32 = 0;
  publishedUnsharedUnits: i32 = 0;
  /** How many of the `own` requests started in the generation `freshSince`. */
  fresh: i32 = 0;
  freshSince: u32 = 0;
}

/** The part of other-workers.ts: requests of the other workers of this Envoy. */
@unmanaged
export class OtherWorkers {
  /** In-flight requests of the other workers. */
  requests: i32 = 0;
  /** How many requests were settled when the other workers last published. */
  settled: i32 = 0;
  /** Counts of this worker in the endpoint's shared record, and of all other workers (shared-record.ts has the form). */
  share: u64 = 0;
  shared: u64 = 0;
  /** What the other workers last published and have not in the shared record: requests, and units of waiting tokens. */
  unshared: i32 = 0;
  unsharedUnits: i32 = 0;
  /** Sums of the current round of the exchange on the tick. */
  receivedRequests: i32 = 0;
  receivedUnshared: i32 = 0;
  receivedUnsharedUnits: i32 = 0;
  receivedWaiting: i32 = 0;
  receivedSent: i32 = 0;
  /** Value of WaitingTokens.sent up to which the share has the tokens. */
  shareSent: i32 = 0;
  /** Whether the shared record counts for this endpoint. */
  joined: bool = false;
  /** Whether the endpoint is in the list of unwritten-changes.ts. */
  changed: bool = false;
}

/** The part of unseen.ts: requests that the model server reported and that no worker of any Envoy sent. */
@unmanaged
class Unseen {
  /** Instant of the last scrape, ms since the epoch. */
  scrapedAt: u64 = 0;
  /** Estimate of the unseen requests. */
  average: f32 = 0;
  /** How many more requests the last scrape had than were known. */
  excess: f32 = 0;
  /** The most requests that were known since the last scrape came, and between the scrape before and the last one. */
  most: i32 = 0;
  mostBefore: i32 = 0;
}

/** The part of waiting-tokens.ts: uncached prompt tokens. */
@unmanaged
class WaitingTokens {
  /** Instant of `queue`, ns. */
  queueAt: u64 = 0;
  /** Estimate of the tokens that are still to be prefilled. */
  queue: f32 = 0;
  /** Waiting tokens of this worker's requests; exact. */
  waiting: i32 = 0;
  /** Uncached tokens that this worker ever sent (wraps), and the value that it last published. */
  sent: i32 = 0;
  publishedSent: i32 = 0;
  /** Waiting tokens, and tokens ever sent, of the other workers of this Envoy. */
  workersWaiting: i32 = 0;
  workersSent: i32 = 0;
  /** Waiting tokens, and tokens ever sent, of the other workers and the other Envoys together. */
  othersWaiting: i32 = 0;
  othersSent: i32 = 0;
}

/** The part of costs.ts. */
@unmanaged
class Costs {
  /** Uncached prompt tokens that the endpoint prefills each second; 0: not learned. */
  rate: f32 = 0;
  /** Seconds of an engine step without prefill and sequences; 0: not learned. */
  step: f32 = 0;
}

/** The part of remote.ts: requests and tokens of other Envoys, and of this Envoy at two instants before now. */
@unmanaged
class Remote {
  requests: i32 = 0;
  /** How many of the requests costs count. */
  counted: i32 = 0;
  waiting: i32 = 0;
  sent: i32 = 0;
  /** In-flight requests of this Envoy when they were last remembered, and the time before. */
  local: i32 = 0;
  localBefore: i32 = 0;
  /** Tokens that this Envoy had ever sent at these two instants. */
  localSent: i32 = 0;
  localSentBefore: i32 = 0;
}

/** The part of load-reports.ts: the last load report that came with a response. */
@unmanaged
class LoadReport {
  /** When the load report came, ns; 0: never. */
  at: u64 = 0;
  /** Requests in the endpoint's queue, and the fraction of its KV cache in use; -1: not reported. */
  waiting: f32 = 0;
  kv: f32 = 0;
}

/** The part of speed.ts. */
@unmanaged
export class Speed {
  /** When the last sample came, ns. */
  at: u64 = 0;
  /** Mean logarithm of the observed over the predicted time to the first byte (formula in speed.ts). */
  slowness: f32 = 0;
  /** Sum of the logarithms of the fresh samples: this worker's samples since it last published. */
  freshSum: f32 = 0;
  /** The field `additions` of the common value that this worker last took over or published. */
  additions: u32 = 0;
  samples: u16 = 0;
  /** Number of fresh samples. */
  fresh: u16 = 0;
}

/** The part of health.ts. */
@unmanaged
class Health {
  /** Instants, ns. */
  ejectedUntil: u64 = 0;
  rampFrom: u64 = 0;
  goneAt: u64 = 0;
  ejectionMilliseconds: u32 = 0;
  rampMilliseconds: u32 = 0;
  /** Ejections in a row, and failed responses in a row. */
  ejections: u32 = 0;
  failures: u32 = 0;
  /** Whether the endpoint was usable in the last snapshot. */
  usable: bool = false;
}

/** The part of adapters.ts: adapters of the endpoint in the current snapshot. */
@unmanaged
class AdapterCounts {
  /** Number of adapters with running requests. */
  active: u32 = 0;
  /** Number of adapters with waiting requests only. */
  waiting: u32 = 0;
}

/** An entry. entries.ts writes these fields; the parts follow them in memory. */
@unmanaged
export class Entry {
  /** Hash of the endpoint's address; 0: the record is free. */
  hash: u64 = 0;
  /** The endpoint's index in the current snapshot; NONE: the snapshot does not have the endpoint. */
  endpoint: u32 = 0;
  /** Endpoints are numbered in the order in which they appear. A number is given once (used by endpoints/cache/). */
  number: u32 = 0;

  get inFlight(): InFlight {
    return changetype<InFlight>(changetype<usize>(this) + IN_FLIGHT);
  }
  get otherWorkers(): OtherWorkers {
    return changetype<OtherWorkers>(changetype<usize>(this) + OTHER_WORKERS);
  }
  get unseen(): Unseen {
    return changetype<Unseen>(changetype<usize>(this) + UNSEEN);
  }
  get tokens(): WaitingTokens {
    return changetype<WaitingTokens>(changetype<usize>(this) + TOKENS);
  }
  get costs(): Costs {
    return changetype<Costs>(changetype<usize>(this) + COSTS);
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

// Each part begins at a multiple of 8. What a pick reads of every candidate comes first, in three of the processor's cache lines.
const IN_FLIGHT: u32 = (<u32>offsetof<Entry>() + 7) & ~7;
const COSTS: u32 = IN_FLIGHT + ((<u32>offsetof<InFlight>() + 7) & ~7);
const SPEED: u32 = COSTS + ((<u32>offsetof<Costs>() + 7) & ~7);
const TOKENS: u32 = SPEED + ((<u32>offsetof<Speed>() + 7) & ~7);
const UNSEEN: u32 = TOKENS + ((<u32>offsetof<WaitingTokens>() + 7) & ~7);
const REMOTE: u32 = UNSEEN + ((<u32>offsetof<Unseen>() + 7) & ~7);
const OTHER_WORKERS: u32 = REMOTE + ((<u32>offsetof<Remote>() + 7) & ~7);
const REPORT: u32 = OTHER_WORKERS + ((<u32>offsetof<OtherWorkers>() + 7) & ~7);
const HEALTH: u32 = REPORT + ((<u32>offsetof<LoadReport>() + 7) & ~7);
const ADAPTERS: u32 = HEALTH + ((<u32>offsetof<Health>() + 7) & ~7);
/** Bytes of a cache line. */
export const LINE: u32 = 64;
export const ENTRY_BYTES: u32 = (ADAPTERS + <u32>offsetof<AdapterCounts>() + LINE - 1) & ~(LINE - 1);
