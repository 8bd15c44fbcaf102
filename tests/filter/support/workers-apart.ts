// Workers of one Envoy that a test runs one host call at a time, and the requests that they have in truth.
import assert from "node:assert/strict";
import { SharedData } from "../../../emulator/shared-data.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import type { Threads } from "../../../testkit/emulator/interleave.ts";
import type { Command, EndpointCounts } from "../../../testkit/emulator/worker-messages.ts";
import { WorkerThread } from "../../../testkit/emulator/worker-thread.ts";
import { SECRET } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";

type View = Pick<SnapshotView, "endpoints" | "models">;
type Counts = Record<string, EndpointCounts>;

interface Request {
  worker: number;
  address: string;
  /** Whether the first byte has not come yet. */
  waits: boolean;
}

/** Period of a busy worker's ticks. */
const TICK_MS = 20;
const ROUND_MS = 100;
/** Uncached tokens of each request: the least that a pick assumes. */
const TOKENS = 16;
const VM_ID = "pilotfish";
/** Begins the keys of the shared records, which each pick reads (assembly/workers/shared-load.ts). A record has units of 16 tokens. */
const RECORD = "pilotfish.load.";
const RECORD_HEADER_BYTES = 32;

/** A request that is open all the time, so that its worker is busy. */
const KEPT = 0;
/** A request that aligns the workers. */
const ALIGNING = 99;

/** The default prompt is shorter than what a cache can keep, so all such requests have the same number of uncached tokens. */
export const pick = (request: number, model = "m", prompt = "hello"): Command => ({
  do: "pick",
  request,
  model,
  prompt,
});
export const firstByte = (request: number): Command => ({ do: "firstByte", request });
export const end = (request: number): Command => ({ do: "end", request });
export const abort = (request: number): Command => ({ do: "abort", request });
export const tick: Command = { do: "advance", milliseconds: TICK_MS };

export class WorkersApart {
  readonly #shared = new SharedData();
  readonly #threads: WorkerThread[] = [];
  /** Open requests, by worker and request. */
  readonly #open = new Map<string, Request>();
  /** What a request's pick must have counted at least and at most, by worker and request. */
  readonly #bounds = new Map<string, [least: Counts, most: Counts]>();
  #exactPicks = false;
  #view: View = { endpoints: [], models: [] };
  #version = 1_700_000_000_000_000n;
  /** Milliseconds that each worker's clock has moved. */
  #clocks: number[] = [];
  /** The command that each worker runs. */
  #running: (Command | undefined)[] = [];

  private constructor() {}

  /** Starts the threads of workers, which have no VMs yet. */
  static async start(count: number): Promise<WorkersApart> {
    const all = new WorkersApart();
    const pick = { profile: "tokens", debugSecret: SECRET };
    const configuration = { pick, snapshot: { staleAfter: "3600s" } };
    for (let worker = 0; worker < count; worker++) {
      all.#threads.push(await WorkerThread.open(all.#shared, { seed: worker + 1, configuration, module: release }));
    }
    return all;
  }

  async close(): Promise<void> {
    for (const thread of this.#threads) await thread.close();
  }

  /** Opens a request at each worker, and waits until the workers know each other. */
  makeBusy(): void {
    for (const worker of this.#threads.keys()) {
      this.run(worker, pick(KEPT));
      this.run(worker, firstByte(KEPT));
    }
    this.advance(3 * TICK_MS);
    this.assertAllExact("at the start");
  }

  /**
   * Begins anew: no shared data, new VMs, the snapshot. `exactPicks`: each pick must use counts that are exact at its first read of a
   * record. So the workers are busy (an idle worker reads the record on a tick before its pick), and no worker has a fault.
   */
  renew(view: View, { exactPicks = false } = {}): void {
    this.#exactPicks = exactPicks;
    this.#shared.forget(VM_ID);
    this.#open.clear();
    this.#bounds.clear();
    this.#clocks = this.#threads.map(() => 0);
    for (const [worker, thread] of this.#threads.entries()) {
      thread.refusal = () => undefined;
      this.run(worker, { do: "renew" });
      this.run(worker, { do: "start" });
    }
    this.run(0, this.push(view));
    this.advance(2 * TICK_MS);
  }

  thread(worker: number): WorkerThread {
    const thread = this.#threads[worker];
    assert.ok(thread, `worker ${worker} exists`);
    return thread;
  }

  /** Runs a command to its end, alone. */
  run(worker: number, command: Command): void {
    const threads = this.begin([...Array(worker).fill([]), [command]]);
    while (threads.next(worker)) threads.step(worker);
  }

  /** Makes the command that pushes a snapshot. */
  push(view: View): Command {
    this.#version += 1000n;
    this.#view = view;
    return { do: "push", snapshot: encodeSnapshot({ version: this.#version, source: 7n, ...view }) };
  }

  /** Moves all clocks to the same later time, tick by tick. */
  advance(milliseconds: number): void {
    const end = Math.max(...this.#clocks) + milliseconds;
    for (let now = Math.min(...this.#clocks); now < end; now += TICK_MS) {
      for (const [worker, clock] of this.#clocks.entries()) {
        const left = Math.min(now + TICK_MS, end) - clock;
        if (left > 0) this.run(worker, { do: "advance", milliseconds: left });
      }
    }
  }

  /** Begins each worker's commands. They run as the steps say. */
  begin(programs: readonly (readonly Command[])[]): Threads {
    const left = programs.map((program) => [...program]);
    this.#running = [];
    const goOn = (worker: number) => {
      const thread = this.thread(worker);
      while (!thread.pending) {
        const ended = this.#running[worker];
        if (ended) this.#note(worker, ended);
        const next = left[worker]?.shift();
        this.#running[worker] = next;
        if (!next) return;
        thread.begin(next);
      }
    };
    for (const worker of programs.keys()) goOn(worker);
    return {
      count: programs.length,
      next: (worker) => {
        const { pending, writes } = this.thread(worker);
        return pending && { key: pending.key, writes };
      },
      step: (worker) => {
        const { pending } = this.thread(worker);
        if (this.#exactPicks && pending?.kind === "get" && pending.key.startsWith(RECORD)) this.#bound(worker);
        this.thread(worker).step();
        goOn(worker);
      },
    };
  }

  /** Ends the VM of a worker in its pending call. */
  die(worker: number): void {
    this.thread(worker).die();
    const command = this.#running[worker];
    this.#running[worker] = undefined;
    if (command?.do === "advance") this.#moved(worker, command.milliseconds);
    for (const requests of [this.#open, this.#bounds]) {
      for (const name of requests.keys()) if (name.startsWith(`${worker} `)) requests.delete(name);
    }
  }

  /** Asserts that a worker counts what all workers have in truth. */
  assertExact(worker: number, situation: string): void {
    const truth = Object.entries(this.#truth()).filter(([, { inFlight }]) => inFlight > 0);
    const { counts } = this.thread(worker).run({ do: "read" });
    assert.deepEqual(counts, Object.fromEntries(truth), `worker ${worker}, ${situation}`);
  }

  /**
   * Asserts that the shared record has what all workers have in truth, and that each worker knows this. A worker that reads the record
   * also adds what the record lacks of its share, so the record comes first.
   */
  assertShared(situation: string): void {
    const record = this.#shared.get(VM_ID, `${RECORD}0`)?.value ?? Buffer.alloc(0);
    const counts = this.#view.endpoints.map(({ address }, i): [string, EndpointCounts] => {
      const word = record.readBigUInt64LE(RECORD_HEADER_BYTES + i * 8);
      return [address, { inFlight: Number(word & 0xfffffn), waiting: Number((word >> 20n) & 0x3fffffn) * TOKENS }];
    });
    assert.deepEqual(Object.fromEntries(counts), this.#truth(), `the record, ${situation}`);
    this.assertAllExact(situation);
  }

  assertAllExact(situation: string): void {
    for (const worker of this.#threads.keys()) this.assertExact(worker, situation);
  }

  /**
   * Brings all workers to the same time since their last publications, so that the same commands make the same calls. The next tick is the
   * first of a round (ROUND of assembly/workers/counts.ts), in which workers publish and receive.
   */
  align(): void {
    this.advance((ROUND_MS - (Math.max(...this.#clocks) % ROUND_MS)) % ROUND_MS);
    for (const worker of this.#threads.keys()) {
      this.run(worker, pick(ALIGNING));
      this.run(worker, abort(ALIGNING));
    }
    this.advance(4 * ROUND_MS - TICK_MS);
  }

  /** Aborts all requests but those that are open all the time. */
  abortAll(): void {
    this.#abort((request) => request !== KEPT);
  }

  /** Ends what makeBusy() began. */
  endBusy(): void {
    this.#abort((request) => request === KEPT);
  }

  #abort(which: (request: number) => boolean): void {
    for (const [name, { worker }] of this.#open) {
      const request = Number(name.split(" ")[1]);
      if (which(request)) this.run(worker, { do: "abort", request });
    }
  }

  /** The counts of all workers' open requests. */
  #truth(): Counts {
    const counts = this.#view.endpoints.map(({ address }): [string, EndpointCounts] => {
      const requests = [...this.#open.values()].filter((request) => request.address === address);
      const waiting = requests.filter((request) => request.waits).length * TOKENS;
      return [address, { inFlight: requests.length, waiting }];
    });
    return Object.fromEntries(counts);
  }

  /**
   * Sets the bounds of the request that the worker picks for now. The pick must count what every command has changed that has ended.
   * It may count what a running command of another worker will change.
   */
  #bound(worker: number): void {
    const command = this.#running[worker];
    if (command?.do !== "pick" || this.#bounds.has(nameOf(worker, command))) return;
    const [least, most] = [this.#truth(), this.#truth()];
    for (const [other, change] of this.#running.entries()) {
      if (other === worker || !change) continue;
      if (change.do === "pick") {
        for (const counts of Object.values(most)) {
          counts.inFlight++;
          counts.waiting += TOKENS;
        }
      } else if ("request" in change) {
        const request = this.#open.get(nameOf(other, change));
        const counts = request && least[request.address];
        if (!counts) continue;
        if (change.do !== "firstByte") counts.inFlight--;
        if (request.waits) counts.waiting -= TOKENS;
      }
    }
    this.#bounds.set(nameOf(worker, command), [least, most]);
  }

  #moved(worker: number, milliseconds: number): void {
    this.#clocks[worker] = (this.#clocks[worker] ?? 0) + milliseconds;
  }

  /** Takes over what a command has changed in truth. */
  #note(worker: number, command: Command): void {
    const { outcome } = this.thread(worker);
    if (!outcome) return;
    if (command.do === "advance") this.#moved(worker, command.milliseconds);
    if (!("request" in command)) return;
    const name = nameOf(worker, command);
    const request = this.#open.get(name);
    if (command.do === "pick") this.#open.set(name, { worker, address: outcome.address as string, waits: true });
    else if (command.do === "firstByte" && request) request.waits = false;
    else this.#open.delete(name);
    const bounds = this.#bounds.get(name);
    if (outcome.explanation === undefined || !bounds) return;
    this.#bounds.delete(name);
    assertWithin(explained(outcome.explanation), bounds, `request ${name}`);
  }
}

function nameOf(worker: number, { request }: { request: number }): string {
  return `${worker} ${request}`;
}

/** The counts by address in an explanation (assembly/pick/explain.ts) of the profile "tokens". */
function explained(text: string): Counts {
  const found = [...text.matchAll(/; (?:\d )?(\S+) cost=\d+ \S+ q=(\d+) \S+ n=([\d.]+)/g)];
  assert.notEqual(found.length, 0, text);
  return Object.fromEntries(
    found.map(([, address, waiting, inFlight]) => [address, { inFlight: Number(inFlight), waiting: Number(waiting) }]),
  );
}

function assertWithin(counted: Counts, [least, most]: [Counts, Counts], situation: string): void {
  const inside = Object.entries(counted).every(
    ([address, { inFlight, waiting }]) =>
      inFlight >= (least[address]?.inFlight ?? 0) &&
      inFlight <= (most[address]?.inFlight ?? 0) &&
      waiting >= (least[address]?.waiting ?? 0) &&
      waiting <= (most[address]?.waiting ?? 0),
  );
  assert.ok(inside, `${situation}: ${[counted, least, most].map((counts) => JSON.stringify(counts)).join("; ")}`);
}
