// Load that others cause, as scrapes show it, and ties between endpoints.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { A, B, base, C, complete, D, endpoint, Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { picked } from "../support/in-flight.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const SCRAPE_MS = 100;

class Pool {
  readonly gateway: Gateway;
  #sent = 0;

  constructor(seed: number, workers = 1) {
    this.gateway = new Gateway({ seed, workers, configuration: { snapshot: { staleAfter: "3600s" } } });
    this.scrape();
  }

  /** A scrape with these requests on A and on B, 10 ms old. Takes two ticks. */
  scrape(onA = 0, onB = 0): void {
    const snapshot = encodeSnapshot({
      version: this.gateway.process.now / 1000n,
      source: 7n,
      endpoints: [endpoint(A, { running: onA }), endpoint(B, { running: onB })],
      models: [base("m", [A, B]), base("only-a", [A]), base("only-b", [B])],
    });
    assert.equal(this.gateway.push(snapshot).status, 200);
    this.gateway.settle();
  }

  send(model = "m", prompt = `${++this.#sent} hello`, stream = true): Stream {
    const body = JSON.stringify({ model, prompt, stream });
    const worker = this.#sent % this.gateway.workers.length;
    return this.gateway.send({ path: "/v1/completions", headers: JSON_TYPE, body }, worker);
  }

  /** Sends a request, which takes `ms`. Returns its endpoint. */
  ask(ms = 5, model = "m", prompt?: string): string {
    const stream = this.send(model, prompt);
    this.gateway.process.advance(ms);
    const endpoint = picked(stream);
    complete(stream, endpoint);
    return endpoint;
  }

  /** The share of A among 40 requests that come one after the other. */
  shareOfA(prompt?: string): number {
    return Array.from({ length: 40 }, () => this.ask(5, "m", prompt)).filter((at) => at === A).length / 40;
  }

  /** Milliseconds until ten requests in a row go to `wanted`, with scrapes all the time. At most 5 s. */
  untilAllGoTo(wanted: string, onA: number, onB: number): number {
    let row = 0;
    for (let ms = 0; ms < 5000; ms += SCRAPE_MS) {
      this.scrape(onA, onB);
      for (let i = 0; i < 6; i++) {
        row = this.ask(10) === wanted ? row + 1 : 0;
        if (row === 10) return ms + SCRAPE_MS;
      }
    }
    return 5000;
  }
}

/** Asserts that 40 picks look like those of a coin: less than 9 or more than 31 of one kind come once in 5,000 times. */
function assertTie(share: number, seed: number): void {
  assert.ok(share >= 9 / 40 && share <= 31 / 40, `seed ${seed}: ${share * 40} of 40 on A`);
}

test("a pick counts the load of the first snapshot before the next tick, where a read-back has taken the snapshot over", () => {
  for (const seed of SEEDS) {
    const gateway = new Gateway({ seed, workers: 2 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("other", [A, B])] });
    gateway.worker(0).tick();
    const version = 1_800_000_000_000_000n;
    const endpoints = [endpoint(C, { running: 20 }), endpoint(D, { running: 0 })];
    gateway.push(encodeSnapshot({ version, source: 7n, endpoints, models: [base("m", [C, D])] }), undefined, 1);
    gateway.read(0);
    assert.equal(picked(gateway.chat("m", 0)), D, `seed ${seed}`);
  }
});

describe("a queue that others cause", () => {
  test("is avoided within three scrapes, also when it moves", () => {
    for (const seed of SEEDS) {
      const pool = new Pool(seed);
      for (const [onA, onB, wanted] of [
        [20, 0, B],
        [0, 20, A],
        [20, 0, B],
      ] as const) {
        const ms = pool.untilAllGoTo(wanted, onA, onB);
        // Ten requests take up to two scrapes more.
        assert.ok(ms <= 500, `seed ${seed}: ${ms} ms until all requests go to ${wanted}`);
        for (let i = 0; i < 50; i++) pool.scrape(onA, onB);
      }
    }
  });

  test("leaves a tie some seconds after it ended", () => {
    for (const seed of SEEDS) {
      const pool = new Pool(seed);
      for (let i = 0; i < 10; i++) pool.scrape(20, 0);
      for (let i = 0; i < 120; i++) {
        pool.scrape();
        pool.gateway.process.advance(60);
      }
      assertTie(pool.shareOfA(), seed);
    }
  });
});

describe("idle endpoints share requests that come one after the other", () => {
  test("when nothing is known", () => {
    for (const seed of SEEDS) assertTie(new Pool(seed).shareOfA(), seed);
    for (const seed of SEEDS) assertTie(new Pool(seed, 2).shareOfA(), seed);
  });

  test("when both have the prompt cached", () => {
    const prompt = "the same prompt ".repeat(500);
    for (const seed of SEEDS) {
      const pool = new Pool(seed);
      for (const model of ["only-a", "only-b"]) pool.ask(5, model, prompt);
      const first = pool.ask(5, "m", prompt);
      // The endpoint of the first request has the prompt of "m"; a burst brings it to the other one.
      const burst = Array.from({ length: 60 }, () => pool.send("m", prompt));
      assert.ok(burst.some((stream) => picked(stream) !== first));
      pool.gateway.process.advance(100);
      for (const stream of burst) complete(stream, picked(stream));
      pool.gateway.process.advance(100);
      assertTie(pool.shareOfA(prompt), seed);
    }
  });

  test("while scrapes show requests that have ended meanwhile", () => {
    for (const seed of SEEDS) {
      const pool = new Pool(seed);
      let onA = 0;
      for (let i = 0; i < 40; i++) {
        const stream = pool.send();
        const at = picked(stream);
        onA += at === A ? 1 : 0;
        pool.gateway.process.advance(15);
        complete(stream, at);
        pool.scrape(at === A ? 1 : 0, at === B ? 1 : 0);
      }
      assertTie(onA / 40, seed);
    }
  });

  test("when one has served many more requests, all of them much faster or slower than predicted", () => {
    for (const ms of [1, 400]) {
      for (const seed of SEEDS) {
        const pool = new Pool(seed);
        for (let i = 0; i < 60; i++) pool.ask(ms, "only-a");
        for (let i = 0; i < 2; i++) pool.ask(ms, "only-b");
        let onA = 0;
        for (let i = 0; i < 40; i++) onA += pool.ask(ms, "m", `${i} `.padEnd(4000, "words ")) === A ? 1 : 0;
        assertTie(onA / 40, seed);
      }
    }
  });
});
