// Sessions: every worker picks the same endpoint for the same session, without a table and without an exchange between workers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, B, base, C, chat, D, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";

const PODS = [A, B, C, D];

function gateway(pick: object = {}, workers = 1): Gateway {
  const result = new Gateway({ workers, configuration: { pick, snapshot: { staleAfter: "3600s" } } });
  result.feed({ endpoints: PODS.map((at) => endpoint(at)), models: [base("m", PODS)] });
  result.settle();
  return result;
}

function pickOf(g: Gateway, headers: Record<string, string>, worker = 0): string {
  const request = chat("m");
  const stream = g.send({ ...request, headers: { ...request.headers, ...headers } }, worker);
  const first = routed(stream.outcome).destination?.split(",")[0] as string;
  stream.abort();
  return first;
}

const session = (name: string) => ({ "x-session-id": name });
const names = Array.from({ length: 200 }, (_, i) => `session-${i}`);

describe("a session", () => {
  for (const profile of ["load", "tokens", "epp"]) {
    test(`a session has one endpoint on all workers, and after a restart: ${profile}`, () => {
      const g = gateway({ profile }, 3);
      const again = gateway({ profile });
      for (const name of names.slice(0, 50)) {
        const home = pickOf(g, session(name), 0);
        for (const worker of [0, 1, 2]) assert.equal(pickOf(g, session(name), worker), home);
        assert.equal(pickOf(again, session(name)), home);
      }
      assert.equal(g.counters()["session.kept"], 200);
      assert.equal(g.counters()["session.moved"], undefined);
      g.assertHealthy();
    });
  }

  test("many sessions spread evenly over the endpoints", () => {
    const g = gateway();
    const counts = new Map<string, number>();
    for (const name of names) counts.set(pickOf(g, session(name)), (counts.get(pickOf(g, session(name))) ?? 0) + 1);
    // Each endpoint gets 50 sessions in the mean; the standard deviation is 6.
    for (const pod of PODS) assert.ok(Math.abs((counts.get(pod) ?? 0) - 50) < 30, JSON.stringify([...counts]));
  });

  test("sessions leave their endpoint only when it goes, and all other sessions stay", () => {
    const g = gateway();
    const before = new Map(names.map((name) => [name, pickOf(g, session(name))]));
    g.feed({
      endpoints: PODS.map((at) => endpoint(at, { draining: at === B })),
      models: [base("m", PODS)],
    });
    for (const [name, home] of before) {
      const now = pickOf(g, session(name));
      if (home === B) assert.notEqual(now, B);
      else assert.equal(now, home);
    }
  });

  test("a session goes elsewhere while its endpoint has far too much to do, and returns after that", () => {
    const g = gateway({ profile: "load" });
    const home = pickOf(g, session("busy"));
    const request = chat("m");
    const open = () => g.send({ ...request, headers: { ...request.headers, ...session("busy") } });
    const streams = Array.from({ length: 5 }, open);
    const first = (stream: (typeof streams)[number]) => routed(stream.outcome).destination?.split(",")[0];
    assert.deepEqual(
      streams.map(first),
      Array(5).fill(home),
      "a few requests more are no reason to leave a warm cache",
    );
    g.settle();
    // A session leaves its endpoint above twice the others' load plus 4. The others' load is 0, and five requests are more than 4.
    const elsewhere = pickOf(g, session("busy"));
    assert.notEqual(elsewhere, home);
    for (let i = 0; i < 20; i++)
      assert.equal(pickOf(g, session("busy")), elsewhere, "all requests of the session go to the same second endpoint");
    for (const stream of streams) stream.abort();
    g.settle();
    assert.equal(pickOf(g, session("busy")), home);
  });

  test("a request without a session goes by load alone", () => {
    const g = gateway();
    const seen = new Set(Array.from({ length: 60 }, () => pickOf(g, {})));
    assert.equal(seen.size, 4);
    assert.equal(g.counters()["session.kept"], undefined);
  });

  test("the configured header names a session, and no other header does", () => {
    const g = gateway({ session: { header: "X-Conversation" } });
    const home = pickOf(g, { "x-conversation": "one" });
    for (let i = 0; i < 20; i++) assert.equal(pickOf(g, { "x-conversation": "one" }), home);
    assert.ok(new Set(Array.from({ length: 60 }, () => pickOf(g, session("one")))).size > 1);
  });

  test("a configured cookie names a session, and the header wins", () => {
    const g = gateway({ session: { cookie: "sid" } });
    const home = pickOf(g, { cookie: "a=1; sid=seven; b=2" });
    for (const cookie of ["sid=seven", "sid=seven; x=y", "xsid=eight; sid=seven"])
      assert.equal(pickOf(g, { cookie }), home, cookie);
    const other = names.find((name) => pickOf(g, session(name)) !== home) as string;
    assert.notEqual(pickOf(g, { cookie: "sid=seven", ...session(other) }), home);
    assert.ok(new Set(Array.from({ length: 60 }, () => pickOf(g, { cookie: "sid=; sidx=1" }))).size > 1);
  });
});
