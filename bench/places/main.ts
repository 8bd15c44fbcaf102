// What 20 clusters of 500 pods cost: the release wasm in the small host of `pilotfish plan`, one worker. A decision is what a
// request costs more than the same request with one pod in the snapshot, whose choice is none: the host's own work is left out.
// Ticks while requests are in flight also tell the other workers of them; here they have ended, as in the rounds.
//   tsx bench/places/main.ts      make sim-places
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SECRET_ENV, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import { Host } from "../../sidecar/plan/host.ts";
import { GATEWAYS, ONE_CLUSTER, ONE_POD, type Shape, TWENTY_CLUSTERS, viewOf } from "./world.ts";

const SECRET = "bench-secret-0123456789";
/** A tick every 20 requests: 1,000 a second and worker. */
const PER_TICK = 20;
const REQUESTS = 2000;
const ROUNDS = 7;

const module = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL("../../build/pilotfish.wasm", import.meta.url))),
);
const configuration = JSON.stringify({ snapshot: { staleAfter: "3600s" } });
const body = Buffer.from(JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] }));
const head = (path: string, length: number): Array<[string, string]> => [
  [":method", "POST"],
  [":path", path],
  [":authority", "bench"],
  [":scheme", "http"],
  ["content-type", "application/json"],
  ["content-length", String(length)],
];

/** Milliseconds of CPU: what else the machine does counts less than in time. */
function timed(action: () => void): number {
  const begun = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

class World {
  readonly shape: Shape;
  readonly #host = new Host(module, configuration, { [SECRET_ENV]: SECRET });
  readonly #encodes: number[] = [];
  readonly #adopts: number[] = [];
  bytes = 0;
  best = Number.POSITIVE_INFINITY;
  tick = Number.POSITIVE_INFINITY;

  constructor(shape: Shape) {
    this.shape = shape;
    for (let turn = 0; turn < 25; turn++) this.#push(turn);
  }

  #push(turn: number): void {
    const view = viewOf(this.shape, turn);
    let made: Uint8Array = new Uint8Array();
    this.#encodes.push(timed(() => (made = encodeSnapshot({ version: this.#host.epochMicros, source: 1n, ...view }))));
    this.bytes = made.length;
    // The worker that is pushed to checks it, stores it for the others and takes it over.
    this.#adopts.push(
      timed(() => {
        const { reply } = this.#host.send([...head(SNAPSHOT_PATH, made.length), [SECRET_HEADER, SECRET]], made);
        if (reply?.status !== 200) throw new Error(reply?.body);
        this.#host.advance(20);
      }),
    );
  }

  round(): void {
    const ask = () => this.#host.send(head("/v1/chat/completions", body.length), body);
    const took = timed(() => {
      for (let i = 0; i < REQUESTS; i++) {
        ask();
        if (i % PER_TICK === PER_TICK - 1) this.#host.advance(20);
      }
    });
    const ticks = timed(() => {
      for (let i = 0; i < REQUESTS / PER_TICK; i++) this.#host.advance(20);
    });
    this.best = Math.min(this.best, ((took - ticks) * 1000) / REQUESTS);
    this.tick = Math.min(this.tick, (ticks * PER_TICK) / REQUESTS);
  }

  row(floor: number): string {
    const { name } = this.shape;
    const cells = [this.bytes / 1024, median(this.#encodes), median(this.#adopts), this.tick, this.best - floor];
    return `| ${name} | ${cells.map((cell, i) => cell.toFixed(i === 0 ? 0 : i === 3 ? 2 : 1)).join(" | ")} |`;
  }
}

const worlds = [ONE_POD, ONE_CLUSTER, TWENTY_CLUSTERS, GATEWAYS].map((shape) => new World(shape));
// In turn, so that what else the machine does meets all of them.
for (let i = 0; i < ROUNDS; i++) for (const world of worlds) world.round();
const floor = worlds[0]?.best ?? 0;
console.log(
  "| world | snapshot, KiB | encode, ms | take over, ms | tick, ms | decision, µs |\n| --- | --- | --- | --- | --- | --- |",
);
for (const world of worlds.slice(1)) console.log(world.row(floor));
