// Model names from the configuration and from the path, and the headers that the filter derives from them. A client cannot change the
// route by anything else that it sends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, Gateway, JSON_TYPE, routed, threePods } from "../../../testkit/filter/gateway.ts";

const PATH = "/openai/deployments/m/chat/completions";

function fed(configuration: object): Gateway {
  const gateway = new Gateway({ configuration });
  gateway.feed(threePods());
  return gateway;
}

describe("a model in the path", () => {
  const configuration = { paths: ["/openai/deployments/{model}/"] };

  test("the model is taken from the path, whatever headers are read after it", () => {
    const gateway = fed(configuration);
    const evil = `/openai/deployments/lora/${"x".repeat(400)}`;
    const hostile = [
      { "x-gateway-model-name": evil },
      { "x-gateway-base-model-name": evil },
      { "x-gateway-destination-endpoint": evil },
      { "content-length": `000000000000000000000000000000000000${"1".repeat(9)}` },
    ];
    for (const headers of hostile) {
      const { outcome } = gateway.send({ path: PATH, headers: { ...JSON_TYPE, ...headers }, chunks: ["{}"] });
      if (outcome.localResponse) continue;
      assert.equal(routed(outcome).model, "m", Object.keys(headers)[0]);
    }
    const { outcome } = gateway.send({ path: PATH, headers: { "x-gateway-model-name": evil }, body: "{}" });
    assert.equal(routed(outcome).model, "m");
  });

  test("the name is percent-decoded, and a text that is no name is refused", () => {
    const gateway = fed(configuration);
    const at = (name: string) =>
      gateway.send({ method: "GET", path: `/openai/deployments/${name}/chat`, headers: JSON_TYPE }).outcome;
    assert.equal(routed(at("l%6fra")).destination, A);
    const utf8 = ["a%ff", "%ed%a0%80", "%c3"];
    for (const name of ["a%0d%0ax-evil:%201", "a%00", "%zz", "a%2", "%20m", "x".repeat(257), ...utf8]) {
      assert.equal(at(name).localResponse?.status, 400, name);
    }
    assert.equal(routed(at("%e6%a8%a1")).model, "模");
    gateway.assertHealthy();
  });
});

describe("the model's header", () => {
  test("a model header of another name with the same length is removed from clients' requests too", () => {
    const header = "x-some-other-header1";
    const gateway = fed({ body: { fields: [{ field: "model", header }] } });
    const sent = { ...JSON_TYPE, [header]: "evil" };
    const { outcome } = gateway.send({ path: "/", headers: sent, body: "{}" });
    assert.equal(outcome.requestHeaders?.get(header), undefined);
    const named = gateway.send({ path: "/", headers: sent, body: '{"model":"m"}' }).outcome;
    assert.deepEqual(named.requestHeaders?.all(header), ["m"]);
    gateway.expectCounters({
      "snapshot.stored": 1,
      requests: 2,
      no_model: 1,
      picked: 1,
      control_header_stripped: 2,
    });
  });
});

describe("an alias", () => {
  const configuration = { models: { rules: [{ name: "gpt-4", model: "lora" }] } };

  test("an alias is routed as its model, also in the body, and the length is corrected", () => {
    const gateway = fed(configuration);
    const body = '{"stream":true, "model" : "gpt-4","messages":[]}';
    for (const input of [{ body }, { chunks: [body.slice(0, 9), body.slice(9)], trailers: { "x-t": "1" } }]) {
      const { outcome } = gateway.send({ path: "/", headers: JSON_TYPE, ...input });
      assert.deepEqual(routed(outcome), { model: "lora", base: "m", destination: A });
      assert.equal(outcome.body.toString(), body.replace("gpt-4", "lora"));
    }
    gateway.assertHealthy();
  });

  test("the response has the alias again, wherever its chunks are cut", () => {
    const answer = 'data: {"id":"1","model":"lora","text":"\\"model\\":\\"lora\\""}\n\ndata: [DONE]\n\n';
    for (let cut = 1; cut < answer.length; cut++) {
      const gateway = fed(configuration);
      const stream = gateway.send({ path: "/", headers: JSON_TYPE, body: '{"model":"gpt-4"}' });
      const { body } = stream.respond({ chunks: [answer.slice(0, cut), answer.slice(cut)], upstreamAddress: A });
      assert.equal(body.toString(), answer.replace('"model":"lora"', '"model":"gpt-4"'), `cut at ${cut}`);
      stream.finish();
    }
  });

  test("an alias in the path is replaced wholly: the header and the path name the same model", () => {
    const gateway = fed({ ...configuration, paths: ["/openai/deployments/{model}/"] });
    for (const padding of [0, 4000, 5000, 50_000]) {
      const path = `/openai/deployments/gpt-4/chat?pad=${"x".repeat(padding)}`;
      const { outcome } = gateway.send({ path, headers: JSON_TYPE, body: "{}" });
      const replaced = outcome.requestHeaders?.get(":path") === path.replace("gpt-4", "lora");
      assert.ok(replaced, `${padding} bytes of padding`);
      assert.equal(routed(outcome).model, "lora");
    }
  });
});
