// The sidecar pushes to an Envoy whose listener has TLS.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { QUICK_PUSH, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const pem = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));

test("pushes over TLS check the Envoy's certificate by push.tls.ca, and show the client certificate", async (t) => {
  const pod = await startPod();
  const keys = { key: readFileSync(pem("server.key")), cert: readFileSync(pem("server.pem")) };
  const mutual = { ...keys, ca: readFileSync(pem("ca.pem")), requestCert: true, rejectUnauthorized: true };
  const filter = await startFilter(0, mutual);
  for (const server of [pod, filter]) t.after(() => server.close());
  const url = filter.url.replace("http:", "https:");
  const sidecarWith = (tls: object) => {
    const push = { ...QUICK_PUSH, targets: [url], tls };
    return quickSidecar(t, { endpoints: [pod.url], targets: [], more: { push } });
  };
  const ca = { ca: pem("ca.pem") };
  const without = await sidecarWith(ca);
  const unknown = await sidecarWith({ cert: pem("client.pem"), key: pem("client.key") });
  for (const url of [without.url, unknown.url]) {
    let failed = 0;
    while (failed < 2) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      failed = await fails(url);
    }
  }
  assert.equal(filter.stored, undefined);
  await sidecarWith({ ...ca, cert: pem("client.pem"), key: pem("client.key") });
  await until("a snapshot", () => filter.stored);
});

async function fails(url: string): Promise<number> {
  const body = await (await fetch(`${url}/metrics`)).text();
  const lines = body.split("\n").filter((line) => /pushes_total.*result="(reset|refused|timeout|invalid)"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
