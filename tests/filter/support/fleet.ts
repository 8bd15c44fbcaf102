// Envoys in the emulator, and the sidecar's code for Envoys, with one simulated clock. Messages between them take a millisecond each way.
import type { MockTimers } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { POLL_HEADER, REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { parseConfig } from "../../../sidecar/config/load.ts";
import type { Access } from "../../../sidecar/credentials/access.ts";
import type { Secrets } from "../../../sidecar/credentials/secrets.ts";
import { type Answer, HttpFailure } from "../../../sidecar/http.ts";
import { WATCH_TIMES } from "../../../sidecar/kubernetes/watch.ts";
import { createLog } from "../../../sidecar/log.ts";
import type { EnvoyConnection } from "../../../sidecar/push/envoy-connection.ts";
import { Envoys } from "../../../sidecar/push/envoys.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import type { SnapshotSource } from "../../../sidecar/snapshot/source.ts";
import { A, Gateway, SECRET, threePods } from "../../../testkit/filter/gateway.ts";

/** Taken before a test replaces the timers. */
const nextTurn = setImmediate;
const EPOCH_MICROS = 1_700_000_000_000_000n;

/** A request of a sidecar that an Envoy has not answered. */
interface Open {
  sidecar: number;
  stream: Stream;
  resolve(answer: Answer): void;
}

interface FleetOptions {
  envoys: number;
  /** For each sidecar the Envoys that it pushes snapshots to. It knows all others as peers. */
  sidecars: readonly (readonly number[])[];
  workers?: number;
}

export class Fleet {
  readonly gateways: readonly Gateway[];
  /** Messages that each Envoy got. */
  readonly messages: number[];
  readonly #timers: MockTimers;
  readonly #sidecars: (Envoys | undefined)[] = [];
  #open: Open[] = [];
  #later: { at: number; run: () => void }[] = [];
  #now = 0;

  /** `timers`: with setTimeout and setImmediate enabled. */
  constructor(timers: MockTimers, { envoys, sidecars, workers = 2 }: FleetOptions) {
    this.#timers = timers;
    this.gateways = Array.from({ length: envoys }, (_, i) => new Gateway({ workers, seed: i + 1 }));
    this.messages = this.gateways.map(() => 0);
    this.#sidecars = sidecars.map((targets, i) => this.#startSidecar(i, targets));
    for (const sidecar of this.#sidecars) sidecar?.start();
  }

  get now(): number {
    return this.#now;
  }

  gateway(i: number): Gateway {
    return this.gateways[i] as Gateway;
  }

  /** Lets time pass until `until` is true, at most `ms`. Returns how long this took. */
  async run(ms: number, until: () => boolean = () => false): Promise<number> {
    const began = this.#now;
    while (this.#now - began < ms && !until()) {
      this.#now++;
      for (const { process } of this.gateways) process.advance(1);
      this.#deliver();
      this.#timers.tick(1);
      await new Promise((resolve) => nextTurn(resolve));
    }
    return this.#now - began;
  }

  /** The sidecar's process dies. Its connections end. */
  kill(sidecar: number): void {
    void this.#sidecars[sidecar]?.close();
    this.#sidecars[sidecar] = undefined;
    for (const open of this.#open) if (open.sidecar === sidecar) open.stream.abort();
    this.#open = this.#open.filter((open) => open.sidecar !== sidecar);
  }

  close(): void {
    for (let i = 0; i < this.#sidecars.length; i++) this.kill(i);
    for (const gateway of this.gateways) gateway.assertHealthy();
  }

  /** Requests of other Envoys on an endpoint, as a worker counts them. */
  elsewhere(envoy: number, address: string, worker: number): number {
    const { endpoints } = this.gateway(envoy).read(worker).json as {
      endpoints: { address: string; inFlightElsewhere: number }[];
    };
    return endpoints.find((one) => one.address === address)?.inFlightElsewhere ?? 0;
  }

  #startSidecar(number: number, targets: readonly number[]): Envoys {
    const urls = this.gateways.map((_, i) => `http://10.1.0.${i}:10080`);
    const own = urls.filter((_, i) => targets.includes(i));
    const { push } = parseConfig(
      { endpoints: [`http://${A}`], push: { targets: own, peers: { targets: urls }, secret: SECRET } },
      {},
    );
    return new Envoys(push, {
      log: createLog("silent"),
      secrets: { inTurn: () => [SECRET] } as unknown as Secrets,
      certificates: { close() {} } as unknown as Access,
      clock: { now: () => this.#now, epochMicros: () => EPOCH_MICROS + BigInt(this.#now * 1000) },
      random: () => 0.5,
      failed() {},
      pushed() {},
      resolve: async () => [],
      watchTimes: WATCH_TIMES,
      snapshots: this.#snapshots(BigInt(number + 1)),
      source: BigInt(number + 1),
      measured() {},
      open: (origin) => this.#connection(number, urls.indexOf(origin)),
    });
  }

  #snapshots(source: bigint): SnapshotSource {
    const view: Pick<SnapshotView, "endpoints" | "models"> = threePods();
    const addresses = view.endpoints.map(({ address }) => address).sort();
    const make = () => {
      const version = EPOCH_MICROS + BigInt(this.#now * 1000) + 1n;
      const bytes = encodeSnapshot({ version, source, complete: true, ...view });
      return { version, bytes, index: () => new EndpointIndex(addresses), endpoints: 3, models: 2, dropped: {} };
    };
    return { make, goPast() {} } as unknown as SnapshotSource;
  }

  #connection(sidecar: number, envoy: number): EnvoyConnection {
    const ask = (method: string, headers: Record<string, string>, body?: Uint8Array): Promise<Answer> =>
      new Promise((resolve, reject) => {
        this.#after(1, () => {
          if (this.#sidecars[sidecar] === undefined) return reject(new HttpFailure("reset", "the sidecar is dead"));
          this.messages[envoy] = (this.messages[envoy] ?? 0) + 1;
          // Envoy chooses the worker of a connection. The connection for polls leads to another worker than the one for pushes.
          const worker = (sidecar + (method === "GET" ? 1 : 0)) % this.gateway(envoy).workers.length;
          const request = { method, path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET, ...headers } };
          const stream = this.gateway(envoy).send({ ...request, ...(body && { body }) }, worker);
          this.#open.push({ sidecar, stream, resolve });
        });
      });
    return {
      origin: `http://10.1.0.${envoy}:10080`,
      secret: SECRET,
      push: (body, cursor) => ask("POST", cursor === undefined ? {} : { [REPORT_HEADER]: cursor }, body),
      report: (cursor, poll) => {
        const text = poll && [poll.ms, poll.news, poll.known, poll.collector, poll.envoys].join(".");
        return ask("GET", { [REPORT_HEADER]: cursor, ...(text && { [POLL_HEADER]: text }) });
      },
      close: async () => {},
    };
  }

  #after(ms: number, run: () => void): void {
    this.#later.push({ at: this.#now + ms, run });
  }

  /** Delivers the messages that have arrived by now. */
  #deliver(): void {
    const due = this.#later.filter(({ at }) => at <= this.#now);
    this.#later = this.#later.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
    for (const { stream, resolve } of this.#open) {
      const { localResponse } = stream;
      if (localResponse === undefined) continue;
      stream.finish();
      this.#after(1, () => resolve({ status: localResponse.status, body: Buffer.from(localResponse.body) }));
    }
    this.#open = this.#open.filter(({ stream }) => stream.localResponse === undefined);
  }
}
