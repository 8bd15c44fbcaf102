// A pool that is saturated or not, requests for this pool, and the fate of these requests.

import type { Stream } from "../../../emulator/index.ts";
import { OBJECTIVE_HEADER } from "../../../protocol/constants.ts";
import type { SnapshotView } from "../../../protocol/snapshot.ts";
import { A, answerOf, B, base, chat, endpoint, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";

export const HOLD = { mode: "hold", hold: { timeout: "1s" } };

/** Returns a snapshot with the model `m` on A and B, which have these queues. Both are in one pool, which has a few objectives. */
export function pool(waitingA: number, waitingB = waitingA, more: Partial<SnapshotView> = {}): Partial<SnapshotView> {
  const on = { pool: "default/p" };
  return {
    endpoints: [
      endpoint(A, { waiting: waitingA, running: 8, ...on }),
      endpoint(B, { waiting: waitingB, running: 8, ...on }),
    ],
    models: [{ ...base("m", [A, B]), ...on }],
    pools: [{ name: "default/p" }, { name: "default/q" }],
    objectives: [
      { name: "batch", priority: -1, pool: "default/p" },
      { name: "batch-of-q", priority: -1, pool: "default/q" },
      { name: "urgent", priority: 10, pool: "default/p" },
    ],
    ...more,
  };
}

export const EMPTY = {
  endpoints: [],
  models: [{ ...base("m", []), pool: "default/p" }],
  pools: [{ name: "default/p" }],
};

export const SATURATED = () => pool(5);
export const ROOMY = () => pool(0);

export function fed(admission: object, view: Partial<SnapshotView>, more: object = {}, workers = 1): Gateway {
  const gateway = new Gateway({ workers, configuration: { admission, ...more } });
  gateway.feed(view);
  return gateway;
}

export const asking = (headers: Record<string, string> = {}, model = "m") => {
  const request = chat(model);
  return { ...request, headers: { ...JSON_TYPE, ...headers } };
};
export const objective = (name: string) => ({ [OBJECTIVE_HEADER]: name });

/** Returns "continue", "waits", or the status and code of the refusal. */
export function fate(stream: Stream): string {
  const { action } = stream.outcome;
  if (action !== "replied") return action === "stopped" ? "waits" : action;
  const { status, json } = answerOf(stream);
  return `${status} ${json.error.code}`;
}
