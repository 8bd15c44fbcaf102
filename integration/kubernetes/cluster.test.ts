// The sidecar on a real kube-apiserver and etcd if they have been built, and always on the fake API server, so that the same
// claims are tested on every machine.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cachedKubernetes, ETCD_VERSION, KUBERNETES_VERSION } from "../../testkit/kubernetes/build-api-server.ts";
import { type Cluster, fakeCluster, realCluster } from "../../testkit/kubernetes/cluster.ts";
import { behaviours } from "./behaviours.ts";

const binaries = await cachedKubernetes();
const skip = binaries ? false : "kube-apiserver has not been built; `make test-kubernetes` does that";

describe(`kube-apiserver ${KUBERNETES_VERSION}, etcd ${ETCD_VERSION}`, { skip }, () => {
  let cluster: Cluster;
  before(async () => {
    if (binaries) cluster = await realCluster(binaries);
  });
  after(() => cluster?.close());
  behaviours("kube-apiserver", () => cluster);

  test("the account of rbac.yaml may list what the sidecar follows in its namespace, and nothing else", async () => {
    const core = "/api/v1/namespaces/default";
    assert.equal(await cluster.allowed("GET", `${core}/pods`), 200);
    assert.equal(await cluster.allowed("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"), 200);
    for (const [method, path] of [
      ["GET", `${core}/secrets`],
      ["GET", `${core}/pods/a`],
      ["DELETE", `${core}/pods/a`],
      ["GET", "/api/v1/pods"],
      ["GET", "/api/v1/namespaces/kube-system/pods"],
      ["GET", "/api/v1/nodes"],
    ] as const) {
      assert.equal(await cluster.allowed(method, path), 403, `${method} ${path}`);
    }
  });
});

describe("the fake API server", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await fakeCluster();
  });
  after(() => cluster?.close());
  behaviours("fake", () => cluster);
});
