// The part that all sources with cluster objects share. It turns the objects into pods, and reports the pods after each
// change.
import { isDeepStrictEqual } from "node:util";
import {
  type ClusterObject,
  type ClusterSeen,
  type ClusterView,
  declarationsOf,
  viewOf,
} from "../kubernetes/cluster-objects.ts";
import type { Log } from "../log.ts";
import type { PodAddress } from "../pod.ts";
import type { ReportPods } from "./pod-source.ts";
import { followedPools, type Selection, selectPods } from "./selection.ts";

export class ClusterReporter {
  readonly #source: string;
  readonly #selection: Selection;
  readonly #log: Log;
  #problems: readonly string[] = [];
  /** The last report; undefined: no report yet. */
  #pods: readonly PodAddress[] | undefined;
  #declarations: object | undefined;

  constructor(source: string, selection: Selection, log: Log) {
    this.#source = source;
    this.#selection = selection;
    this.#log = log;
  }

  /** Reports the pods if the pods or the declared objects differ from the last report. Logs each new problem. */
  update(objects: Iterable<ClusterObject>, report: ReportPods): void {
    const view = viewOf(objects);
    const { pods, problems } = selectPods(view, this.#selection);
    for (const problem of problems) {
      if (!this.#problems.includes(problem)) this.#log.warn({ source: this.#source }, problem);
    }
    this.#problems = problems;
    const declarations = declarationsOf(view);
    if (isDeepStrictEqual(this.#pods, pods) && isDeepStrictEqual(this.#declarations, declarations)) return;
    // The pods are copied, because the receiver of the report changes its pods.
    this.#pods = structuredClone(pods);
    this.#declarations = declarations;
    this.#log.debug({ source: this.#source, pods: pods.length }, "pods reported");
    report(pods);
  }

  seen(objects: Iterable<ClusterObject>, watches: ClusterSeen["watches"]): ClusterSeen {
    const view: ClusterView = viewOf(objects);
    const followed = followedPools(view.pools, this.#selection);
    return { source: this.#source, followed, ...view, problems: this.#problems, watches };
  }
}
