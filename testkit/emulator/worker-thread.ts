// A worker of an emulated Envoy in a thread of its own: what the test sees. The worker runs until it makes a call on shared data.
// The test executes that call when it likes, and other workers may make calls in between.
import { MessageChannel, Worker } from "node:worker_threads";
import type { SharedData } from "../../emulator/shared-data.ts";
import { Handoff, type HandoffEnd } from "./handoff.ts";
import type { Command, FromWorker, Outcome, SharedCall, ToWorker, WorkerSettings } from "./worker-messages.ts";

/** Returns the status of a write that the host refuses; undefined: the host executes the write. */
export type Refusal = (key: string, cas: number) => number | undefined;

/** A command takes milliseconds. After this time the thread has failed. */
const PATIENCE_MS = 60_000;

export class WorkerThread {
  /** The call in which the worker waits; undefined: the worker has no command. */
  pending: SharedCall | undefined;
  /** Result of the last command; undefined: the VM died in it. */
  outcome: Outcome | undefined;
  refusal: Refusal = () => undefined;

  readonly #shared: SharedData;
  readonly #thread: Worker;
  readonly #handoff: Handoff<ToWorker, FromWorker>;

  private constructor(shared: SharedData, thread: Worker, end: HandoffEnd) {
    this.#shared = shared;
    this.#thread = thread;
    this.#handoff = new Handoff(end);
  }

  /** Starts the thread. The worker has no VM yet. */
  static async open(shared: SharedData, settings: WorkerSettings): Promise<WorkerThread> {
    const turn = new Int32Array(new SharedArrayBuffer(4));
    const { port1, port2 } = new MessageChannel();
    const end: HandoffEnd = { port: port2, turn, side: 1 };
    const thread = new Worker(program(), { workerData: { end, settings }, transferList: [port2] });
    await new Promise((ready, fail) => thread.once("message", ready).once("error", fail));
    return new WorkerThread(shared, thread, { port: port1, turn, side: 0, patience: PATIENCE_MS });
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  /** Runs a command to its end. */
  run(command: Command): Outcome {
    this.begin(command);
    while (this.pending) this.step();
    if (!this.outcome) throw new Error(`the VM died: ${command.do}`);
    return this.outcome;
  }

  /** Runs a command until its first call on shared data, or to its end. */
  begin(command: Command): void {
    if (this.pending) throw new Error(`${command.do}: the worker has not ended its last command`);
    this.#take(this.#handoff.exchange({ command }));
  }

  /** Executes the pending call, and runs the worker until its next call or the end of its command. */
  step(): void {
    const call = this.#taken();
    const { vmId, key } = call;
    if (call.kind === "get") this.#take(this.#handoff.exchange({ found: this.#shared.get(vmId, key) }));
    else {
      const status = this.refusal(key, call.cas) ?? this.#shared.set(vmId, key, call.value, call.cas);
      this.#take(this.#handoff.exchange({ status }));
    }
  }

  /** Ends the worker's VM in its pending call, which is not executed. */
  die(): void {
    this.#taken();
    this.#take(this.#handoff.exchange({ die: true }));
  }

  /** Whether the pending call will change the data. A write with an old `cas` will change nothing, whenever it is executed. */
  get writes(): boolean {
    const call = this.pending;
    if (call?.kind !== "set" || this.refusal(call.key, call.cas) !== undefined) return false;
    const found = this.#shared.get(call.vmId, call.key);
    return !found || call.cas === 0 || call.cas === found.cas;
  }

  #taken(): SharedCall {
    if (!this.pending) throw new Error("the worker waits in no call");
    return this.pending;
  }

  #take(message: FromWorker): void {
    this.pending = undefined;
    this.outcome = undefined;
    if ("call" in message) this.pending = message.call;
    else if ("done" in message) this.outcome = message.done;
    else if ("failed" in message) throw new Error(message.failed);
  }
}

/** A worker thread does not inherit tsx, so its first module registers tsx. */
function program(): URL {
  const tsx = import.meta.resolve("tsx/esm/api");
  const main = new URL("worker-program.ts", import.meta.url);
  const code = `import { register } from "${tsx}"; register(); await import("${main}");`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}
