// Pilotfish's Envoys in the simulation: what they know of each other, and what dies with a process or a VM.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contenderNames, contenderOf } from "../../bench/sim/contenders.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import { ALONE, type Delays, TALKING } from "../../bench/sim/pilotfish/delays.ts";
import { pilotfishNamed } from "../../bench/sim/pilotfish/pilotfish-names.ts";
import { SimEnvoy } from "../../bench/sim/pilotfish/sim-envoy.ts";
import { SimSidecar } from "../../bench/sim/pilotfish/sim-sidecar.ts";
import { type Draft, makeRequest } from "../../bench/sim/request.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import type { Route, World } from "../../bench/sim/world.ts";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { defaultParams } from "../../simulator/params.ts";

const FOUR = tokenizerOf("bytes", 4);

/** A request whose prompt begins with `text`. */
function ask(text: string) {
  const draft: Draft = { at: 0, messages: [{ role: "user", content: text.repeat(4000) }], outputTokens: 10 };
  return makeRequest(draft, FOUR);
}

interface Fleet {
  clock: SimClock;
  envoys: SimEnvoy[];
  sidecars: SimSidecar[];
}

/** Two Envoys of `workers` workers over four pods, with one sidecar, or with one for each. */
function fleet(delays: Delays, workers: number, sidecars: "one" | "mute" | "each"): Fleet {
  const clock = new SimClock();
  const every = (ms: number, fn: () => void): void => {
    clock.after(ms, () => {
      fn();
      every(ms, fn);
    });
  };
  const world: World = {
    pods: Array.from({ length: 4 }, () => new Engine(defaultParams(), clock, () => 0.5)),
    addresses: Array.from({ length: 4 }, (_, i) => `10.0.0.${i}:8000`),
    adapters: [],
    meanPromptTokens: 1000,
    tokensPerByte: 0.25,
    now: () => clock.now(),
    every,
    isOver: () => false,
    after: (ms, fn) => void clock.after(ms, fn),
    scrape: () => 0,
    seed: 3,
  };
  const envoys = [0, 1].map((number) => new SimEnvoy(world, { profile: "tokens", workers }, number));
  const sidecar = (targets: SimEnvoy[], peers: SimEnvoy[], number: number) =>
    new SimSidecar(world, { targets, peers, delays, number });
  const made =
    sidecars === "one"
      ? [sidecar(envoys, [], 0)]
      : envoys.map((envoy, i) => sidecar([envoy], sidecars === "mute" ? [] : [envoys[1 - i] as SimEnvoy], i));
  for (const [i, envoy] of envoys.entries()) envoy.begin(() => (made[i] ?? (made[0] as SimSidecar)).supply(envoy));
  for (const one of made) one.start();
  every(1, () => envoys.map((envoy) => envoy.look()));
  clock.advance(1000);
  return { clock, envoys, sidecars: made };
}

const route = (envoy: SimEnvoy | undefined, count: number): Route[] =>
  Array.from({ length: count }, (_, i) => (envoy as SimEnvoy).route(ask(`request ${i}`)));

function finish(routes: readonly Route[]): void {
  for (const { firstByte, end } of routes) {
    firstByte?.();
    end?.();
  }
}

const elsewhere = (envoy: SimEnvoy | undefined) => envoy?.counts().map(({ inFlightElsewhere }) => inFlightElsewhere);
const inFlight = (envoy: SimEnvoy | undefined) => envoy?.counts().map((counts) => counts.inFlight);

/** Ms until every worker of the second Envoy knows ten requests that the first one sends. */
function age(delays: Delays, sidecars: "one" | "each"): number {
  const { clock, envoys } = fleet(delays, 2, sidecars);
  const [first, second] = envoys;
  const routes = route(first, 10);
  let waited = 0;
  while (!elsewhere(second)?.every((count) => count === 10)) {
    clock.advance(1);
    waited++;
    assert.ok(waited < 2000, "the second Envoy never hears of the requests");
  }
  finish(routes);
  clock.advance(500);
  assert.deepEqual(elsewhere(second), [0, 0], "ended requests are known too");
  for (const envoy of envoys) envoy.close();
  return waited;
}

test("Envoys that talk know each other's requests within 30 ms and a tick of an idle worker, by one sidecar or by one beside each", () => {
  for (const sidecars of ["one", "each"] as const) {
    const usual = age(TALKING, sidecars);
    assert.ok(usual <= 30 + 40, `${sidecars}: ${usual} ms`);
    const slow = age({ ...TALKING, spacingMs: 200 }, sidecars);
    assert.ok(slow > 50, `${sidecars}: ${slow} ms with polls and pushes that are 200 ms apart`);
  }
});

test("Envoys that do not talk know nothing of each other", () => {
  const { clock, envoys } = fleet(ALONE, 2, "mute");
  const routes = route(envoys[0], 10);
  clock.advance(1000);
  assert.deepEqual(
    [inFlight(envoys[0]), elsewhere(envoys[1])],
    [
      [10, 10],
      [0, 0],
    ],
  );
  finish(routes);
  for (const envoy of envoys) envoy.close();
});

test("an Envoy that begins anew knows nothing of its requests, their ends reach nobody, and the other Envoy forgets them", () => {
  const { clock, envoys, sidecars } = fleet(TALKING, 2, "one");
  const [first, second] = envoys as [SimEnvoy, SimEnvoy];
  const lost = route(first, 6);
  const kept = route(second, 3);
  clock.advance(300);
  assert.deepEqual(
    [inFlight(first), elsewhere(second)],
    [
      [6, 6],
      [6, 6],
    ],
  );
  first.restart(() => sidecars[0]?.supply(first));
  assert.deepEqual(
    [inFlight(first), elsewhere(first)],
    [
      [0, 0],
      [0, 0],
    ],
  );
  clock.advance(1500);
  assert.deepEqual(
    [elsewhere(first), elsewhere(second)],
    [
      [3, 3],
      [0, 0],
    ],
    "the sidecar has told both",
  );
  finish(lost);
  const more = route(first, 4);
  clock.advance(300);
  assert.deepEqual(
    [inFlight(first), elsewhere(second)],
    [
      [4, 4],
      [4, 4],
    ],
  );
  finish([...kept, ...more]);
  for (const envoy of envoys) envoy.close();
});

test("with a sidecar beside each Envoy, Envoy and sidecar can begin anew together", () => {
  const { clock, envoys, sidecars } = fleet(TALKING, 1, "each");
  const [first, second] = envoys as [SimEnvoy, SimEnvoy];
  const kept = route(second, 3);
  clock.advance(300);
  sidecars[0]?.restart();
  first.restart(() => sidecars[0]?.supply(first));
  assert.deepEqual(elsewhere(first), [0], "the new sidecar has heard of nobody yet");
  const more = route(first, 2);
  clock.advance(1500);
  assert.deepEqual([elsewhere(first), elsewhere(second)], [[3], [2]]);
  finish([...kept, ...more]);
  for (const envoy of envoys) envoy.close();
});

test("the requests of a VM that dies are forgotten, and the worker's new VM takes requests at once", () => {
  const { clock, envoys } = fleet(ALONE, 2, "mute");
  const first = envoys[0] as SimEnvoy;
  const routes = route(first, 12);
  clock.advance(200);
  first.loseVm();
  const more = route(first, 4);
  clock.advance(2000);
  const left = inFlight(first) ?? [];
  assert.equal(left[0], left[1], "both workers count the same");
  assert.ok((left[0] ?? 0) >= 4 && (left[0] ?? 0) < 16, `${left[0]} of 16: those of the dead VM are not counted`);
  finish([...routes, ...more]);
  for (const envoy of envoys) envoy.close();
});

test("names say how many workers and Envoys there are, and what disturbs them", () => {
  const titles = {
    "tokens-64": /^Pilotfish, profile tokens, 64 workers; /,
    "load-1": /^Pilotfish, profile load, 1 worker; /,
    "true-4x8": /^Pilotfish, profile tokens \(true costs\), 4 workers × 8; /,
    "tokens-2x2-mute": / 2 workers × 2, which do not talk; /,
    "tokens-2-scrape50": /, 2 workers, scrapes every 50 ms; /,
    "tokens-2x4-every10": / 2 workers × 4, exchange every 10 ms; /,
    "untold-1-restart60": / \(default costs\), 1 worker, one Envoy anew every 60 s; /,
    "tokens-2x2-restart30-both": / one Envoy and its sidecar anew every 30 s; /,
    "tokens-2x2-mute-restart60": / × 2, which do not talk, one Envoy anew every 60 s; /,
    "tokens-8-vm60": / 8 workers, one worker's VM dies every 60 s; /,
  };
  for (const [name, title] of Object.entries(titles)) assert.match(contenderOf(name).title, title, name);
  assert.equal(new Set(Object.keys(titles).map((name) => contenderOf(name).name)).size, Object.keys(titles).length);
  assert.deepEqual(contenderNames("rr, tokens-2"), ["rr", "tokens-2"]);
});

test("other names are refused with what is expected", () => {
  const wrong = ["tokens-0", "tokens-65", "tokens-2x9", "tokens-2x0", "tokens-02", "tokens", "fast-2", "tokens-2-mute"];
  wrong.push("tokens-2-restart", "tokens-2-restart0", "tokens-2x2-mute2", "tokens-2-both", "tokens-2x2-mute-mute");
  wrong.push(
    "tokens-2-every10",
    "tokens-2x2-mute-every10",
    "tokens-2x2-every1001",
    "tokens-2-",
    "toString",
    "tokens-2-vm",
  );
  for (const name of wrong) {
    assert.equal(pilotfishNamed(name), undefined, name);
    assert.throws(() => contenderNames(`rr,${name}`), /given, expected some of rr,.*tokens-2x2-mute/, name);
  }
});

test("every disturbance leaves every request answered and no count", () => {
  const load = makeLoad("sessions", { seed: 7, requests: 150 });
  for (const name of [
    "tokens-1-restart1",
    "tokens-2x2-restart1",
    "tokens-2x2-restart1-both",
    "tokens-2x2-mute-restart1",
    "tokens-2-vm1",
    "tokens-1-vm1",
  ]) {
    // close() of the contender throws if a count is left, and simulate() throws if a request is not answered once.
    assert.equal(simulate(load, contenderOf(name), { seed: 7 }).answered, 150, name);
  }
});
