// A world of two or more places with pods, and one Envoy of the emulator, whose clock is the world's clock. Requests come, take a part
// of a pod's KV cache for a while, and end. Every 100 ms a snapshot reports the pods' load.

import type { Stream } from "../../../emulator/index.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { PlaceView, PolicyView } from "../../../protocol/snapshot.ts";
import { base, complete, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";

interface WorldPlace {
  name: string;
  pods: number;
  order?: number;
  weight?: number;
  /** Number of pods behind each endpoint of the place. */
  behind?: number;
}

interface WorldOptions {
  places: readonly WorldPlace[];
  policy: Partial<PolicyView>;
  workers?: number;
  /** Mean duration of requests, ms. A request takes 0.5 to 1.5 times this. */
  duration?: number;
  /** Shares of a pod's KV cache that a request takes at its beginning and at its end. */
  kv?: readonly [number, number];
}

interface Request {
  stream: Stream;
  address: string;
  begun: number;
  lasts: number;
}

const STEP_MS = 10;
const SCRAPE_MS = 100;

export class World {
  readonly gateway: Gateway;
  readonly open: Request[] = [];
  /** Places that are down. The snapshots no longer list their endpoints. */
  readonly down = new Set<string>();
  readonly options: WorldOptions;
  /** Number of requests that each place has got so far. */
  readonly got: Record<string, number> = {};
  /** The highest number of requests that each endpoint had at once. */
  readonly highest: Record<string, number> = {};
  now = 0;
  #turn = 0;
  #due = 0;
  #state = 1;
  #version = 0n;

  constructor(options: WorldOptions) {
    this.options = options;
    this.gateway = new Gateway({ workers: options.workers ?? 1 });
    this.push();
    this.gateway.settle();
  }

  /** Returns the next number of a sequence that is the same in each run, 0 to below 1. */
  #random(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 32;
  }

  addresses({ name, pods }: WorldPlace): string[] {
    const net = this.options.places.findIndex((place) => place.name === name);
    return Array.from({ length: pods }, (_, i) => `10.${net}.0.${i + 1}:8000`);
  }

  placeOf(address: string): string {
    return this.options.places[Number(address.split(".")[1])]?.name as string;
  }

  kvOf({ begun, lasts }: Request): number {
    const [first, last] = this.options.kv ?? [0.05, 0.05];
    return first + ((last - first) * (this.now - begun)) / lasts;
  }

  openOn(address: string): Request[] {
    return this.open.filter((request) => request.address === address);
  }

  utilization(place: string): number {
    const pods = this.options.places.find(({ name }) => name === place)?.pods as number;
    const open = this.open.filter(({ address }) => this.placeOf(address) === place);
    return open.reduce((sum, request) => sum + this.kvOf(request), 0) / pods;
  }

  push(): void {
    const { places, policy } = this.options;
    const endpoints = places.flatMap((place) =>
      this.addresses(place).map((address) => {
        const open = this.openOn(address);
        const kvUsage = Math.min(
          1,
          open.reduce((sum, request) => sum + this.kvOf(request), 0),
        );
        const ready = !this.down.has(place.name);
        const behind = place.behind === undefined ? {} : { weight: place.behind, gateway: true };
        return endpoint(address, {
          place: place.name,
          ready,
          running: open.length,
          kvUsage,
          scrapeAgeMs: 0,
          ...behind,
        });
      }),
    );
    const view = (place: WorldPlace, i: number): PlaceView => {
      return { name: place.name, order: place.order ?? i, weight: place.weight ?? 1, roundTripUs: null };
    };
    const whole: PolicyView = {
      name: "p",
      mode: "order",
      target: null,
      mostInFlight: null,
      timeoutMs: null,
      dryRun: false,
      short: false,
      ...policy,
    };
    const micros = this.gateway.process.now / 1000n;
    this.#version = micros > this.#version ? micros : this.#version + 1n;
    const bytes = encodeSnapshot({
      version: this.#version,
      source: 7n,
      endpoints,
      models: [
        {
          ...base(
            "m",
            endpoints.map(({ address }) => address),
          ),
          policy: "p",
        },
      ],
      places: places.map(view),
      policies: [whole],
    });
    const answer = this.gateway.push(bytes);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
  }

  /** Sends one more request. Returns its record, with the endpoint that was picked. */
  send(worker = this.#turn++ % (this.options.workers ?? 1)): Request {
    const stream = this.gateway.chat("m", worker);
    const address = routed(stream.outcome).destination?.split(",")[0] as string;
    const lasts = (this.options.duration ?? 1000) * (0.5 + this.#random());
    const request = { stream, address, begun: this.now, lasts };
    this.open.push(request);
    const place = this.placeOf(address);
    this.got[place] = (this.got[place] ?? 0) + 1;
    this.highest[address] = Math.max(this.highest[address] ?? 0, this.openOn(address).length);
    return request;
  }

  /** Sends `rate` requests a second for `ms`. Calls `each` after every step. */
  run(ms: number, rate: number, each: () => void = () => {}): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.gateway.process.advance(STEP_MS);
      this.now += STEP_MS;
      const done = this.open.filter(({ begun, lasts }) => this.now - begun >= lasts);
      for (const { stream, address } of done) complete(stream, address);
      for (const request of done) this.open.splice(this.open.indexOf(request), 1);
      for (this.#due += (rate * STEP_MS) / 1000; this.#due >= 1; this.#due--) this.send();
      if (this.now % SCRAPE_MS === 0) this.push();
      each();
    }
  }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
