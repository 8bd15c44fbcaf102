// What the learner is told about a server, and what it answers.

export interface LearnedServer {
  address: string;
  /** The server's base models. */
  models: readonly string[];
  /** The server's pools, such as `default/llama`. */
  pools: readonly string[];
}

/** Values of the configuration that replace learned ones. */
export interface Pins {
  bytesPerToken?: number | undefined;
  /** Tokens a second. */
  prefillRate?: number | undefined;
  stepSeconds?: number | undefined;
  sequenceSeconds?: number | undefined;
  /** Tokens that the cache of one server holds. */
  cacheTokens?: number | undefined;
}

/** What is learned of a server. Fields that are not known are absent. */
export interface LearnedCosts {
  /** Tokens a second. */
  rate?: number | undefined;
  /** Seconds. */
  step?: number | undefined;
  sequence?: number | undefined;
  /** By what the server's cache is larger than the server says. */
  capacityFactor?: number;
}

/** What a snapshot says about a server's costs. Fields that are not known are absent. */
export interface ServerCosts {
  prefillRate?: number;
  stepSeconds?: number;
  sequenceSeconds?: number;
  kvBlocks?: number;
}
