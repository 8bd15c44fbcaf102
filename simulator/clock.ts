/**
 * The engine's time: milliseconds since the epoch, and one-shot timers. A server uses the real clock; tests and discrete-event
 * runs use a simulated clock.
 */
export interface Clock {
  now(): number;
  /** Calls `fn` once after `ms`. The returned function cancels the call. */
  after(ms: number, fn: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

interface Event {
  at: number;
  order: number;
  fn: (() => void) | null;
}

/** A clock that moves only when a caller advances it. Events of the same instant run in the order in which they were set. */
export class SimClock implements Clock {
  private time: number;
  private order = 0;
  private readonly heap: Event[] = [];

  constructor(start = 0) {
    this.time = start;
  }

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    const event: Event = { at: this.time + ms, order: this.order++, fn };
    this.push(event);
    return () => {
      event.fn = null;
    };
  }

  /** Runs every event that is due within the next `ms`, and moves the clock by `ms`. */
  advance(ms: number): void {
    const until = this.time + ms;
    while (this.heap.length > 0 && (this.heap[0] as Event).at <= until) this.runNext();
    this.time = until;
  }

  /** Runs events until none is left. */
  drain(): void {
    while (this.heap.length > 0) this.runNext();
  }

  /** Returns the number of events that are set and not cancelled. */
  get pending(): number {
    return this.heap.filter((event) => event.fn !== null).length;
  }

  private runNext(): void {
    const event = this.pop();
    if (event.fn === null) return;
    this.time = event.at;
    event.fn();
  }

  private push(event: Event): void {
    const heap = this.heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  private pop(): Event {
    const heap = this.heap;
    const top = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
