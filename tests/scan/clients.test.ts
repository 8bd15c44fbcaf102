import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Scanner } from "../../testkit/scan/scanner.ts";

interface Captured {
  client: string;
  ct: string;
  len: number;
  model_off: number;
  head: string;
}

const lines = readFileSync(new URL("../fixtures/clients/captured_requests.jsonl", import.meta.url), "utf8").trimEnd();
const captured = lines.split("\n").map((line) => JSON.parse(line) as Captured);
const json = captured.filter(({ ct }) => ct.startsWith("application/json"));

test("every JSON body that a real client sent gives its model, split at every byte", () => {
  assert.ok(json.length > 50);
  const scanner = new Scanner([{ name: "model", capacity: 256 }]);
  for (const { client, head, len } of json) {
    const body = Buffer.from(head);
    assert.equal(body.length, len, `${client}: the capture is whole`);
    const { model } = JSON.parse(head) as { model?: string };
    for (let cut = 0; cut <= body.length; cut++) {
      const outcome = scanner.scan(body, [cut]);
      assert.equal(outcome.code, 0, `${client} cut at ${cut}`);
      const field = outcome.fields[0];
      assert.equal(field?.kind, model === undefined ? 0 : 1, client);
      assert.equal(field?.bytes, model ?? "", client);
      if (model !== undefined)
        assert.equal(body.subarray(field?.start, field?.end).toString(), JSON.stringify(model), client);
    }
  }
});
