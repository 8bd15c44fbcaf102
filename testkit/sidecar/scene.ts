// Fake Envoys with one pod, for the tests of this folder.
import type { TestContext } from "node:test";
import { addressHash } from "../../protocol/traffic.ts";
import { type FakeFilter, startFilter } from "./fake-filter.ts";
import { type FakePod, startPod } from "./fake-pod.ts";

interface Scene {
  pod: FakePod;
  /** The pod's address as traffic reports name it. */
  hash: bigint;
  filters: [FakeFilter, ...FakeFilter[]];
}

/** One pod and `count` filters; all are closed after the test. */
export async function startScene(t: TestContext, count: number): Promise<Scene> {
  const pod = await startPod();
  const filters = await Promise.all(Array.from({ length: count }, () => startFilter()));
  for (const server of [pod, ...filters]) t.after(() => server.close());
  return { pod, hash: addressHash(pod.address), filters: filters as [FakeFilter, ...FakeFilter[]] };
}
