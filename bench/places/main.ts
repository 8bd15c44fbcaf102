// Measures the cost of 20 clusters of 500 pods, with the release wasm in the emulator and one worker. The cost of a decision is the
// CPU of a request minus the CPU of the same request with a snapshot of one pod. So the figure leaves out the emulator's own work.
// A tick with requests in flight also publishes counts. Here all requests end before the tick, so it publishes none.
//   tsx bench/places/main.ts      make sim-places
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Outcome, Process, type Root, Stream } from "../../emulator/index.ts";
import { SECRET_ENV, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import { GATEWAYS, ONE_CLUSTER, ONE_POD, type Shape, TWENTY_CLUSTERS, viewOf } from "./world.ts";

const SECRET = "bench-secret-0123456789";
/** Requests between two ticks: 20 requests in 20 ms are 1,000 requests a second for each worker. */
const PER_TICK = 20;
const REQUESTS = 2000;
const ROUNDS = 7;

const module = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL("../../build/pilotfish.wasm", import.meta.url))),
);
const configuration = JSON.stringify({ snapshot: { staleAfter: "3600s" } });
const body = Buffer.from(JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] }));
const CHAT = { path: "/v1/chat/completions", headers: { "content-type": "application/json" }, body };
const BUFFER_BYTES = 32 * 1024 * 1024;

/** Milliseconds of CPU time, which other work on the machine disturbs less than wall time. */
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
  readonly #process = new Process();
  readonly #worker: Root = this.#process.startRoot(module, {
    configuration,
    environment: { [SECRET_ENV]: SECRET },
    allowOnHeadersStopIteration: true,
  });
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
    const version = this.#process.now / 1000n;
    this.#encodes.push(timed(() => (made = encodeSnapshot({ version, source: 1n, ...view }))));
    this.bytes = made.length;
    // The worker that gets the push verifies the snapshot, stores it for the others and starts to use it.
    this.#adopts.push(
      timed(() => {
        const { localResponse } = this.#send({ path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET }, body: made });
        if (localResponse?.status !== 200) throw new Error(String(localResponse?.body));
        this.#tick();
      }),
    );
  }

  #send(request: { path: string; headers: Record<string, string>; body: Uint8Array }): Outcome {
    const stream = new Stream(this.#worker, { bufferLimit: BUFFER_BYTES });
    const outcome = stream.send(request);
    stream.abort();
    return outcome;
  }

  /** A tick after 20 ms, also of an idle worker. */
  #tick(): void {
    this.#process.now += 20_000_000n;
    this.#worker.tick();
  }

  round(): void {
    const took = timed(() => {
      for (let i = 0; i < REQUESTS; i++) {
        this.#send(CHAT);
        if (i % PER_TICK === PER_TICK - 1) this.#tick();
      }
    });
    const ticks = timed(() => {
      for (let i = 0; i < REQUESTS / PER_TICK; i++) this.#tick();
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
// The worlds take turns, so that other work on the machine disturbs all of them alike.
for (let i = 0; i < ROUNDS; i++) for (const world of worlds) world.round();
const floor = worlds[0]?.best ?? 0;
console.log(
  "| world | snapshot, KiB | encode, ms | take over, ms | tick, ms | decision, µs |\n| --- | --- | --- | --- | --- | --- |",
);
for (const world of worlds.slice(1)) console.log(world.row(floor));
