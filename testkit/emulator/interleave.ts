// Runs threads in every order of their steps. A step is one host call on shared data and everything up to the thread's next such call.
// The search goes depth first, by replay: each run begins anew and repeats a prefix of the run before it.

/** The step that a thread will do next. */
interface Step {
  /** What the step uses. Steps on different keys may change places. */
  key: string;
  /** Whether the step changes the key's value. Steps that change nothing may change places. */
  writes: boolean;
}

/** Threads that have begun a run. */
export interface Threads {
  /** Number of the run's threads. */
  readonly count: number;
  /** Returns the next step of a thread; undefined: the thread has ended. */
  next(thread: number): Step | undefined;
  step(thread: number): void;
}

export interface Search {
  /** Begins a run. Runs are repeatable: after the same choices all threads have the same next steps. */
  begin(): Threads;
  /** All threads have ended. `order` has the thread of each step. `known`: a reduced search did the same before, in another order. */
  end(order: readonly number[], known: boolean): void;
  /**
   * true: of runs that differ only in the order of steps that may change places, one is enough. Sleep sets show the others, most of them
   * before they begin (Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996, chapter 5).
   */
  reduced?: boolean;
  /**
   * true: all threads do the same, and their first writes are on one key. So the runs in which the first writes come in the order of the
   * threads stand for all runs.
   */
  alike?: boolean;
}

interface Choice {
  steps: readonly (Step | undefined)[];
  /** Threads whose first write would come out of order. */
  early: ReadonlySet<number>;
  /** Threads whose step at this place would lead to a run that was done before, in another order. */
  asleep: Set<number>;
  thread: number;
}

export function interleave(search: Search): void {
  const path: Choice[] = [];
  do run(search, path);
  while (advance(path));
}

/** Runs the threads to their ends: first by the choices of the path, then by new choices, which it adds to the path. */
function run({ begin, end, reduced = false, alike = false }: Search, path: Choice[]): void {
  const threads = begin();
  const order: number[] = [];
  /** Number of threads that have written. */
  let writers = 0;
  let asleep = new Set<number>();
  /** Whether every further order of this run was done before. The run only has to end then. */
  let known = false;
  for (;;) {
    const steps = Array.from({ length: threads.count }, (_, thread) => threads.next(thread));
    const any = steps.findIndex((step) => step !== undefined);
    if (any < 0) {
      end(order, known);
      return;
    }
    let choice = path[order.length];
    if (choice) checkRepeated(choice.steps, steps);
    else if (!known) {
      const early = new Set([...steps.keys()].filter((thread) => alike && thread > writers && steps[thread]?.writes));
      choice = { steps, early, asleep, thread: -1 };
      known = !chooses(choice);
      if (!known) path.push(choice);
    }
    const thread = choice && !known ? choice.thread : any;
    if (thread === writers && steps[thread]?.writes) writers++;
    asleep = choice && !known && reduced ? stillAsleep(choice) : new Set();
    order.push(thread);
    threads.step(thread);
  }
}

/** Makes the last choice of the path that can change another one, and drops the choices after it. false: all runs are done. */
function advance(path: Choice[]): boolean {
  for (let choice = path.at(-1); choice; choice = path.at(-1)) {
    choice.asleep.add(choice.thread);
    if (chooses(choice)) return true;
    path.pop();
  }
  return false;
}

/** Sets the choice's thread to the first that may step. Returns whether there is such a thread. */
function chooses(choice: Choice): boolean {
  const { steps, asleep, early } = choice;
  choice.thread = steps.findIndex((step, thread) => step !== undefined && !asleep.has(thread) && !early.has(thread));
  return choice.thread >= 0;
}

function stillAsleep({ steps, asleep, thread }: Choice): Set<number> {
  return new Set([...asleep].filter((other) => other !== thread && mayChangePlaces(steps[other], steps[thread])));
}

function mayChangePlaces(a: Step | undefined, b: Step | undefined): boolean {
  return !a || !b || a.key !== b.key || !(a.writes || b.writes);
}

function checkRepeated(before: readonly (Step | undefined)[], now: readonly (Step | undefined)[]): void {
  const [expected, found] = [before, now].map((steps) => JSON.stringify(steps));
  if (expected !== found) throw new Error(`a run is not repeatable: the next steps were ${expected}, now ${found}`);
}
