// For each counter of admission, a way to move it, for counters.test.ts.

import type { Stream } from "../../../emulator/index.ts";
import { OBJECTIVE_HEADER } from "../../../protocol/constants.ts";
import { A, base, chat, complete, endpoint, type Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";

const feed = (gateway: Gateway, waiting: number): void =>
  gateway.feed({ endpoints: [endpoint(A, { waiting })], models: [base("m", [A])] });

function ask(gateway: Gateway, objective?: string): Stream {
  const headers = objective === undefined ? JSON_TYPE : { ...JSON_TYPE, [OBJECTIVE_HEADER]: objective };
  return gateway.send({ ...chat("m"), headers });
}

const holding = (hold: object = {}) => ({
  admission: { mode: "hold", objectives: { batch: -1, urgent: 1 }, hold: { timeout: "500ms", ...hold } },
});

interface AdmissionWay {
  way: (gateway: Gateway) => void;
  also?: Record<string, number>;
  configuration?: object;
}

const one = { requests: 1, "snapshot.stored": 1 };

export const ADMISSION_WAYS: Record<string, AdmissionWay> = {
  "pilotfish.shed": {
    way: (g) => {
      feed(g, 5);
      ask(g, "batch");
    },
    also: one,
    configuration: { admission: { objectives: { batch: -1 } } },
  },
  "pilotfish.held": {
    way: (g) => {
      feed(g, 5);
      ask(g);
    },
    also: one,
    configuration: holding(),
  },
  "pilotfish.resumed": {
    way: (g) => {
      feed(g, 5);
      const stream = ask(g);
      feed(g, 0);
      complete(stream, A);
    },
    also: { ...one, "snapshot.stored": 2, held: 1, picked: 1 },
    configuration: holding(),
  },
  "pilotfish.hold.timeout": {
    way: (g) => {
      feed(g, 5);
      ask(g);
      g.process.advance(600);
    },
    also: { ...one, held: 1 },
    configuration: holding(),
  },
  "pilotfish.hold.no_endpoint": {
    way: (g) => {
      g.feed({ endpoints: [], models: [base("m", [])] });
      ask(g);
      g.process.advance(600);
    },
    also: { ...one, held: 1 },
    configuration: holding(),
  },
  "pilotfish.hold.full": {
    way: (g) => {
      feed(g, 5);
      ask(g);
      ask(g);
    },
    also: { requests: 2, "snapshot.stored": 1, held: 1 },
    configuration: holding({ maxRequests: 1 }),
  },
  "pilotfish.hold.displaced": {
    way: (g) => {
      feed(g, 5);
      ask(g);
      ask(g, "urgent");
    },
    also: { requests: 2, "snapshot.stored": 1, held: 2 },
    configuration: holding({ maxRequests: 1 }),
  },
  "pilotfish.hold.aborted": {
    way: (g) => {
      feed(g, 5);
      ask(g).abort();
    },
    also: { ...one, held: 1 },
    configuration: holding(),
  },
};
