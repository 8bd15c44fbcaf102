// Two or more Envoys that share a clock. A sidecar between them merges traffic reports as the real sidecar does.
import assert from "node:assert/strict";
import type { Stream } from "../../../emulator/index.ts";
import { REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../../protocol/constants.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { withTraffic } from "../../../protocol/traffic.ts";
import { decodeReport, type TrafficReport } from "../../../protocol/traffic-report.ts";
import { EnvoyTraffic } from "../../../sidecar/push/envoy-traffic.ts";
import { EndpointIndex } from "../../../sidecar/snapshot/endpoint-index.ts";
import { Gateway, type GatewayOptions, SECRET } from "../../../testkit/filter/gateway.ts";

export function askReport(gateway: Gateway, worker = 0, cursor = "0.0"): TrafficReport {
  const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: cursor };
  return reportOf(gateway.send({ method: "GET", path: SNAPSHOT_PATH, headers }, worker));
}

/** Pushes a snapshot and returns the traffic report in the response. */
export function pushForReport(gateway: Gateway, body: Uint8Array, worker = 0, cursor = "0.0"): TrafficReport {
  const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: cursor };
  return reportOf(gateway.send({ method: "POST", path: SNAPSHOT_PATH, headers, body }, worker));
}

function reportOf(stream: Stream): TrafficReport {
  const local = stream.localResponse;
  assert.ok(local, `the filter answered; it did: ${stream.outcome.action}`);
  assert.equal(local.status, 200, local.body.toString("utf8"));
  assert.equal(local.headers.get("content-type"), "application/octet-stream");
  stream.finish();
  return decodeReport(local.body);
}

export class Envoys {
  readonly all: Gateway[];
  readonly traffic: EnvoyTraffic;
  /** Envoys that the sidecar does not reach. */
  readonly cut = new Set<number>();
  #now = 0;
  #version = 1_700_000_000_000_000n;
  #view: Pick<SnapshotView, "endpoints" | "models">;

  constructor(count: number, view: Pick<SnapshotView, "endpoints" | "models">, options: GatewayOptions = {}) {
    this.all = Array.from({ length: count }, (_, i) => new Gateway({ workers: 2, seed: i + 1, ...options }));
    this.traffic = new EnvoyTraffic(() => this.#now);
    this.#view = view;
    this.round();
    this.round();
    this.advance(40);
  }

  envoy(i: number): Gateway {
    return this.all[i] as Gateway;
  }

  /** Advances the clocks of all Envoys, 5 ms at a time. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= 5) {
      for (const gateway of this.all) gateway.process.advance(Math.min(5, left));
    }
    this.#now += ms;
  }

  /** Pushes to each Envoy once, with the reports of the other Envoys. Successive rounds use an Envoy's workers in turn. */
  round(view = this.#view): void {
    this.#view = view;
    this.#version += 50_000n;
    const version = this.#version;
    const addresses = view.endpoints.map(({ address }) => address).sort();
    const base = encodeSnapshot({ version, source: 7n, complete: true, ...view });
    for (const [i, gateway] of this.all.entries()) {
      if (this.cut.has(i)) continue;
      const origin = `envoy-${i}`;
      const others = this.traffic.othersOf(origin, new EndpointIndex(addresses));
      const body = others === undefined ? base : withTraffic(base, others.envoys, others.counts, others.prefixes);
      const worker = Number((version / 50_000n) % BigInt(gateway.workers.length));
      this.traffic.receive(origin, pushForReport(gateway, body, worker, this.traffic.cursor(origin)));
    }
  }

  /** Runs a round every 50 ms, the sidecar's push interval. */
  run(ms: number): void {
    for (let at = 0; at < ms; at += 50) {
      this.advance(50);
      this.round();
    }
  }

  /** Returns the in-flight requests of this Envoy and of the other Envoys, as one worker of this Envoy counts them. */
  seen(i: number, worker = 0): Record<string, [own: number, elsewhere: number]> {
    const { endpoints } = this.envoy(i).read(worker).json as {
      endpoints: { address: string; inFlight: number; inFlightElsewhere: number }[];
    };
    return Object.fromEntries(endpoints.map((e) => [e.address, [e.inFlight, e.inFlightElsewhere]]));
  }
}
