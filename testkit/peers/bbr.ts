// BBR (body-based routing of the Gateway API Inference Extension), the peer of the body bench: built once from its Go
// module into the cache folder, with the checksums of bbr/go.sum, and run without a cluster.
// `tsx testkit/peers/bbr.ts` builds it and prints the path; `make peers` does just that.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Progress, progressToStderr } from "../../envoy/wheel.ts";
import { freePorts } from "../ports.ts";
import { buildPeer, type GoPeer, PeerError, peerPath, type RunningPeer, startPeer } from "./go.ts";

export { PeerError };

export const BBR_VERSION = "1.5.0";
const BBR: GoPeer = {
  name: "bbr",
  title: "BBR",
  version: BBR_VERSION,
  package: "sigs.k8s.io/gateway-api-inference-extension/cmd/bbr",
};

export function bbrPath(): string {
  return peerPath(BBR);
}

/** The binary, built now unless it was before. */
export function buildBbr(progress: Progress = progressToStderr): Promise<string> {
  return buildPeer(BBR, progress);
}

export type RunningBbr = RunningPeer;

/** BBR binds every interface and has no flag for another: the caller sees to a network of its own. */
export async function startBbr(path: string, folder: string): Promise<RunningBbr> {
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, KUBECONFIG);
  const [port, health, metrics] = (await freePorts(3)) as [number, number, number];
  const args = [
    `--grpc-port=${port}`,
    `--grpc-health-port=${health}`,
    `--metrics-port=${metrics}`,
    "--metrics-endpoint-auth=false",
    "--secure-serving=false",
    "--tracing=false",
    "--enable-pprof=false",
    "--streaming=true",
    '--plugin=body-field-to-header:model:{"fieldName":"model","headerName":"X-Gateway-Model-Name"}',
  ];
  return startPeer({
    title: "BBR",
    path,
    args,
    environment: { KUBECONFIG: kubeconfig, NAMESPACE: "default" },
    port,
  });
}

/** It parses, and nothing is there: the plugin that reads bodies asks no API server. */
const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(await buildBbr());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
