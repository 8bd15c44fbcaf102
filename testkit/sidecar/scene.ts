// A scene for tests of the sidecar: one fake pod, and filters that take pushes.
import type { TestContext } from "node:test";
import { textHash } from "../../protocol/traffic.ts";
import { type FakeFilter, startFilter } from "./fake-filter.ts";
import { type FakePod, startPod } from "./fake-pod.ts";

interface Scene {
  pod: FakePod;
  /** The hash of the pod's address, which names the pod in traffic reports. */
  hash: bigint;
  filters: [FakeFilter, ...FakeFilter[]];
}

/** One pod and `count` filters; all are closed after the test. */
export async function startScene(t: TestContext, count: number): Promise<Scene> {
  const pod = await startPod();
  const filters = await Promise.all(Array.from({ length: count }, () => startFilter()));
  for (const server of [pod, ...filters]) t.after(() => server.close());
  return { pod, hash: textHash(pod.address), filters: filters as [FakeFilter, ...FakeFilter[]] };
}
