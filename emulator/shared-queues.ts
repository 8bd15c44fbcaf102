// Shared queues (`proxy_register_shared_queue`). A queue has a name within its vm_id. Each entry wakes the queue's only
// owner.
import { Result } from "./codes.ts";

/** The VM that registered a queue. */
interface QueueOwner {
  readonly vmId: string;
  queueReady(contextId: number, token: number): void;
}

interface Wakeup {
  token: number;
  owner: QueueOwner;
  contextId: number;
}

interface Queue {
  owner: QueueOwner;
  contextId: number;
  entries: Buffer[];
}

export class SharedQueues {
  readonly #queues = new Map<number, Queue>();
  readonly #tokens = new Map<string, number>();
  readonly #wakeups: Wakeup[] = [];

  /** Registers a queue. Its last registration owns it, and its entries stay. Returns the queue's token. */
  register(owner: QueueOwner, name: string, contextId: number): number {
    const key = `${owner.vmId}\0${name}`;
    let token = this.#tokens.get(key);
    if (token === undefined) {
      token = this.#tokens.size + 1;
      while (this.#queues.has(token)) token++;
      this.#tokens.set(key, token);
    }
    this.#queues.set(token, { owner, contextId, entries: this.#queues.get(token)?.entries ?? [] });
    return token;
  }

  resolve(vmId: string, name: string): number | undefined {
    return this.#tokens.get(`${vmId}\0${name}`);
  }

  /** Adds an entry to a queue. Returns a result code. */
  enqueue(token: number, value: Uint8Array): number {
    const queue = this.#queues.get(token);
    if (!queue) return Result.NotFound;
    queue.entries.push(Buffer.from(value));
    this.#wakeups.push({ token, owner: queue.owner, contextId: queue.contextId });
    return Result.Ok;
  }

  /** Removes and returns the oldest entry. undefined: the queue does not exist; null: the queue is empty. */
  dequeue(token: number): Buffer | null | undefined {
    const queue = this.#queues.get(token);
    return queue && (queue.entries.shift() ?? null);
  }

  /** Removes and returns the oldest wake-up. */
  nextWakeup(): Wakeup | undefined {
    return this.#wakeups.shift();
  }

  forget(vmId: string): void {
    for (const [key, token] of this.#tokens) {
      if (!key.startsWith(`${vmId}\0`)) continue;
      this.#queues.delete(token);
      this.#tokens.delete(key);
    }
  }
}
