// Explanations of picks, which clients with the debug secret get, and the counters of a dry run.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, B, base, C, chat, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";

const DEBUG = "a-debug-secret-of-20";

function gateway(pick: object, pods = [A, B, C]): Gateway {
  const result = new Gateway({
    configuration: { pick: { debugSecret: DEBUG, ...pick }, snapshot: { staleAfter: "3600s" } },
  });
  result.feed({
    endpoints: pods.map((at) => endpoint(at, at === B ? { kvUsage: 0.5, waiting: 2 } : {})),
    models: [base("m", pods)],
  });
  return result;
}

/** Sends a request with this debug secret. Returns the explanation, the debug header that the upstream got, and the picks. */
function explained(g: Gateway, secret: string) {
  const request = chat("m");
  const stream = g.send({ ...request, headers: { ...request.headers, "x-pilotfish-debug": secret } });
  const upstream = stream.outcome.requestHeaders?.get("x-pilotfish-debug");
  const picked = routed(stream.outcome).destination?.split(",") ?? [];
  const { headers } = stream.respond({ status: 200, body: "{}", upstreamAddress: picked[0] ?? A });
  stream.finish();
  return { text: headers?.get("x-pilotfish-explain"), upstream, picked };
}

describe("an explanation", () => {
  const patterns: Record<string, RegExp> = {
    load: /^load candidates=3; 1 (\S+) cost=0\.0000 seen=0; 2 (\S+) cost=\d+\.\d{4} seen=0; 3 10\.0\.0\.2:8000 cost=4\.0000 seen=0$/,
    tokens:
      /^tokens candidates=3 prefill=0\.4000; 1 (\S+) cost=6 s=1\.0000 q=0 u=16 n=0\.0000 a=0; 2 (\S+) cost=\d+ s=1\.0000 q=0 u=16 n=\d+\.\d{4} a=0; 3 \S+ .* a=0$/,
    epp: /^scorers candidates=3; 1 (\S+) score=4\.0000 0=1\.0000\*2\.0000 1=1\.0000\*2\.0000 2=0\.0000\*3\.0000; 2 (\S+) score=4\.0000 .*; 3 10\.0\.0\.2:8000 score=1\.0000 0=0\.0000\*2\.0000 1=0\.5000\*2\.0000 2=0\.0000\*3\.0000$/,
  };
  for (const [profile, pattern] of Object.entries(patterns)) {
    test(`profile ${profile}: an explanation has each candidate's numbers, the picked ones in their order`, () => {
      const { text = "", picked, upstream } = explained(gateway({ profile }), DEBUG);
      const match = pattern.exec(text);
      assert.ok(match, text);
      assert.deepEqual([match[1], match[2]], picked.slice(0, 2));
      assert.equal(upstream, undefined, "the secret does not reach the pod");
    });
  }

  test("a wrong or missing secret gets no explanation, and the header never reaches the endpoint", () => {
    const g = gateway({});
    for (const secret of ["", "x", `${DEBUG}x`, DEBUG.slice(1)]) {
      const { text, upstream } = explained(g, secret);
      assert.equal(text, undefined, secret);
      assert.equal(upstream, undefined);
    }
    const none = gateway({ debugSecret: undefined });
    const { text, upstream } = explained(none, DEBUG);
    assert.deepEqual([text, upstream], [undefined, undefined]);
    assert.equal(g.counters().explained, undefined);
  });

  test("an explanation of 256 candidates begins with the picked candidates, ends with a whole candidate, and is below 4 KiB", () => {
    const many = Array.from({ length: 256 }, (_, i) => `10.1.${100 + Math.floor(i / 100)}.${100 + (i % 100)}:8000`);
    const { text = "", picked } = explained(gateway({ profile: "load" }, many), DEBUG);
    assert.ok(text.length < 4096 && text.length > 3900, `${text.length}`);
    assert.match(text, /^load candidates=256; 1 /);
    assert.match(text, /seen=\d+$/);
    for (const [i, address] of picked.entries()) assert.ok(text.includes(`; ${i + 1} ${address} `));
  });

  test("an explanation waits in one of sixteen slots, and all slots become free again", () => {
    const g = gateway({});
    const request = chat("m");
    const headers = { ...request.headers, "x-pilotfish-debug": DEBUG };
    const open = Array.from({ length: 20 }, () => g.send({ ...request, headers }));
    const texts = open.map((stream) => {
      const { headers: answer } = stream.respond({ status: 200, body: "{}", upstreamAddress: A });
      stream.finish();
      return answer?.get("x-pilotfish-explain");
    });
    assert.equal(texts.filter((text) => text !== undefined).length, 16);
    for (let i = 0; i < 40; i++) g.send({ ...request, headers }).abort();
    assert.notEqual(explained(g, DEBUG).text, undefined);
    g.assertHealthy();
  });

  test("an explanation has the weight of an endpoint that returns", () => {
    const g = gateway({ profile: "load", ejection: { failures: 1, baseTime: "2s" } });
    const stream = g.chat("m");
    stream.respond({ status: 503, body: "{}", upstreamAddress: C });
    stream.finish();
    assert.match(explained(g, DEBUG).text ?? "", /^load candidates=2; /);
    g.process.advance(3000);
    assert.match(explained(g, DEBUG).text ?? "", /10\.0\.0\.3:8000 cost=\S+ seen=0 w=0\.5[45]/);
  });

  for (const [what, secret] of [
    ["short", "too-short"],
    ["blank", "a secret with blanks in it"],
  ] as const) {
    test(`a ${what} secret refuses the configuration and is not quoted`, () => {
      assert.throws(() => new Gateway({ configuration: { pick: { debugSecret: secret } } }));
    });
  }
});

describe("a dry run", () => {
  test("a dry run changes nothing, and counts whether Envoy chose the endpoint that would have been picked", () => {
    const g = gateway({ dryRun: true, profile: "epp" });
    const answer = (upstream: (would: string) => string) => {
      const stream = g.chat("m");
      assert.equal(routed(stream.outcome).destination, undefined);
      stream.respond({
        status: 200,
        body: "{}",
        upstreamAddress: upstream(stream.outcome.filterState.get("pilotfish.endpoint") as string),
      });
      stream.finish();
    };
    for (let i = 0; i < 5; i++) answer((would) => would);
    for (let i = 0; i < 3; i++) answer((would) => (would === A ? B : A));
    assert.equal(g.counters()["dry_run.agreed"], 5);
    assert.equal(g.counters()["dry_run.differed"], 3);
    assert.equal(g.counters().rerouted, undefined);
    assert.deepEqual(g.inFlight(), { [A]: 0, [B]: 0, [C]: 0 });
  });
});
