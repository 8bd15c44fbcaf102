// The same behaviours on a stock Envoy Gateway, on an Envoy Gateway that allows patches, and on a plain Envoy. Envoy Gateway runs
// with its own default Envoy and with Pilotfish's.

import { readFile } from "node:fs/promises";
import { after, before, describe } from "node:test";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { MODULE, SECRET, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import {
  cachedGateway,
  GATEWAY_ENVOY_VERSION,
  GATEWAY_VERSION,
} from "../../testkit/envoy-gateway/build-envoy-gateway.ts";
import { manifests } from "../../testkit/envoy-gateway/manifests.ts";
import {
  ADAPTER,
  closePods,
  GEMMA,
  type Pods,
  QWEN,
  SLOW_MODEL,
  startPods,
} from "../../testkit/envoy-gateway/model-servers.ts";
import { ModuleServer } from "../../testkit/envoy-gateway/registry.ts";
import { StandaloneGateway } from "../../testkit/envoy-gateway/standalone.ts";
import { BODY_LIMIT, behaviours, HOLDING, type Subject } from "./behaviours.ts";

const binaries = await cachedGateway();
const skip = binaries ? false : "Envoy Gateway has not been built; `make test-gateway` does that";

for (const envoyVersion of [DEFAULT_VERSION, GATEWAY_ENVOY_VERSION]) {
  for (const mode of ["stock", "single"] as const) {
    describe(`Envoy Gateway ${GATEWAY_VERSION}, ${mode} mode, Envoy ${envoyVersion}`, { skip }, () => {
      let pods: Pods;
      let server: ModuleServer;
      let gateway: StandaloneGateway;

      before(async () => {
        if (!binaries) return;
        pods = await startPods();
        server = await new ModuleServer().start();
        gateway = await StandaloneGateway.start({ binaries, envoyVersion, secret: SECRET });
        const code = server.addModule(await readFile(MODULE));
        await gateway.apply(await manifests(gateway, pods, { mode, code, config: { admission: HOLDING } }));
        await gateway.ready();
      });
      after(async () => {
        await gateway?.close();
        await server?.close();
        await closePods(pods);
      });

      behaviours(() => ({ subject: gateway, pods }));
    });
  }
}

describe(`plain Envoy ${DEFAULT_VERSION}`, () => {
  let pods: Pods;
  let envoy: TestEnvoy;
  let subject: Subject;

  before(async () => {
    pods = await startPods();
    const addresses = pods.gemma.map(({ address }) => address);
    envoy = await startGateway({
      pools: [
        { name: "gemma", models: [GEMMA, ADAPTER], endpoints: addresses },
        { name: "qwen", models: [QWEN], endpoints: [pods.qwen.address] },
        { name: "slow", models: [SLOW_MODEL], endpoints: [pods.slow.address] },
      ],
      plainPort: true,
      bufferLimitBytes: BODY_LIMIT,
      filter: { admission: HOLDING },
    });
    subject = {
      url: envoy.url,
      plainUrl: envoy.plainUrl as string,
      stats: (filter) => envoy.stats(filter),
      emptyNotFound: true,
    };
  });
  after(async () => {
    await envoy?.close();
    await closePods(pods);
  });

  behaviours(() => ({ subject, pods }));
});
