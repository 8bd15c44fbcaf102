// Two threads of which one runs at a time. A thread that hands over its turn blocks until the turn comes back.
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/** What one side needs. Both sides share the memory of `turn`, whose first element is the number of the side that runs. */
export interface HandoffEnd {
  port: MessagePort;
  turn: Int32Array;
  side: 0 | 1;
  /** Milliseconds after which the other side counts as stuck; absent: it may take any time. */
  patience?: number;
}

export class Handoff<Out, In> {
  readonly #end: HandoffEnd;

  constructor(end: HandoffEnd) {
    this.#end = end;
  }

  /** Hands over the turn with a message. Returns the message that comes back with the turn. */
  exchange(message: Out): In {
    const { port, turn, side } = this.#end;
    port.postMessage(message);
    Atomics.store(turn, 0, 1 - side);
    Atomics.notify(turn, 0);
    return this.wait();
  }

  /** Waits for the turn and returns the message that comes with it. Throws if the other side is stuck. */
  wait(): In {
    const { port, turn, side, patience = Number.POSITIVE_INFINITY } = this.#end;
    while (Atomics.load(turn, 0) !== side) {
      if (Atomics.wait(turn, 0, 1 - side, patience) === "timed-out") throw new Error("the other thread is stuck");
    }
    return receiveMessageOnPort(port)?.message as In;
  }
}
