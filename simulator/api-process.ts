// The API server process of a simulated pod: one event loop, which accepts requests, delivers tokens and renders the page of /metrics.
// While the loop renders a page, everything else waits.
//
//   A task that needs no time runs at once if the loop is free, else when the loop has done everything before it.
//   A page occupies the loop for `ms` after everything before it.
//
// The engine is a process of its own in vLLM, so its steps go on meanwhile. Tokens that become ready then are delivered late.
import type { Clock } from "./clock.ts";

interface Task {
  at: number;
  run: () => void;
}

/** Tasks run in the order in which they came. */
export class ApiProcess {
  private readonly clock: Clock;
  private readonly tasks: Task[] = [];
  private cancelTimer: (() => void) | null = null;
  private freeAt = 0;
  private rendered = 0;
  private busy = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Number of rendered pages. */
  get pages(): number {
    return this.rendered;
  }

  /** Ms that all pages together occupied the loop. */
  get pageMs(): number {
    return this.busy;
  }

  /** Runs a task that needs no time. */
  run(task: () => void): void {
    if (this.tasks.length === 0 && this.clock.now() >= this.freeAt) task();
    else this.add(this.freeAt, task);
  }

  /** Occupies the loop for `ms`, then runs `done`. Returns the ms from now until then. */
  render(ms: number, done: () => void): number {
    this.rendered++;
    if (ms <= 0) {
      this.run(done);
      return Math.max(0, this.freeAt - this.clock.now());
    }
    const now = this.clock.now();
    this.busy += ms;
    this.freeAt = Math.max(now, this.freeAt) + ms;
    this.add(this.freeAt, done);
    return this.freeAt - now;
  }

  /** Drops every task. */
  close(): void {
    this.tasks.length = 0;
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  private add(at: number, run: () => void): void {
    this.tasks.push({ at, run });
    this.arm();
  }

  private arm(): void {
    const first = this.tasks[0];
    if (this.cancelTimer !== null || first === undefined) return;
    this.cancelTimer = this.clock.after(Math.max(0, first.at - this.clock.now()), () => {
      this.cancelTimer = null;
      this.runDue();
      this.arm();
    });
  }

  /** A task may add tasks. These come last. */
  private runDue(): void {
    for (let task = this.tasks[0]; task !== undefined && task.at <= this.clock.now(); task = this.tasks[0]) {
      this.tasks.shift();
      task.run();
    }
  }
}

/** The API server processes of a pod. The system gives each connection to one of them; here they take turns. */
export class ApiProcesses {
  private readonly all: readonly ApiProcess[];
  private next = 0;

  constructor(count: number, clock: Clock) {
    this.all = Array.from({ length: count }, () => new ApiProcess(clock));
  }

  /** The process of a new connection. */
  take(): ApiProcess {
    return this.all[this.next++ % this.all.length] as ApiProcess;
  }

  /** Number of pages that all processes rendered. */
  get pages(): number {
    return this.all.reduce((sum, { pages }) => sum + pages, 0);
  }

  /** Ms that these pages occupied the processes, in sum. */
  get pageMs(): number {
    return this.all.reduce((sum, { pageMs }) => sum + pageMs, 0);
  }

  close(): void {
    for (const process of this.all) process.close();
  }
}
