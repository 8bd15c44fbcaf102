import assert from "node:assert/strict";
import { test } from "node:test";
import { GATEWAYS, TWENTY_CLUSTERS, viewOf } from "../../bench/places/world.ts";
import { MAX_SNAPSHOT_BYTES } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import { Gateway, routed } from "../../testkit/filter/gateway.ts";

const bytesOf = (shape: typeof GATEWAYS): Uint8Array =>
  encodeSnapshot({ version: 1_700_000_000_500_000n, source: 1n, ...viewOf(shape, 0) });

test("20 clusters of 500 pods fit into a snapshot, and as gateways into 64 KiB", () => {
  assert.ok(bytesOf(TWENTY_CLUSTERS).length <= MAX_SNAPSHOT_BYTES, `${bytesOf(TWENTY_CLUSTERS).length}`);
  assert.ok(bytesOf(GATEWAYS).length <= 64 * 1024, `${bytesOf(GATEWAYS).length}`);
});

for (const shape of [TWENTY_CLUSTERS, GATEWAYS]) {
  test(`with ${shape.name}, the nearest cluster is filled first, and the others follow in their order`, () => {
    const gateway = new Gateway();
    assert.equal(gateway.push(bytesOf(shape)).status, 200);
    gateway.settle();
    const networks = new Map<string, number>();
    for (let i = 0; i < 400; i++) {
      const [first = ""] = routed(gateway.chat("m").outcome).destination?.split(",") ?? [];
      const network = first.split(".")[1] as string;
      networks.set(network, (networks.get(network) ?? 0) + 1);
    }
    // The nearest cluster is half full, at 0.3 of 0.6, and has room for many more requests.
    assert.deepEqual([...networks], [["10", 400]]);
    gateway.assertHealthy();
  });
}
