// What stands in front of the pods in a run: the contender's peer, its Envoys and its sidecar, all new.
import type { Found } from "../../envoy/binary.ts";
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { processTree } from "../../testkit/cpu.ts";
import { readBack, SECRET } from "../../testkit/envoy/filter-envoy.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, JSON_TYPE, post } from "../../testkit/http.ts";
import { startEpp } from "../../testkit/peers/ext-proc-peers.ts";
import { peerPath } from "../../testkit/peers/go-peers.ts";
import { startRouter } from "../../testkit/peers/routers.ts";
import type { RunningPeer } from "../../testkit/peers/spawn-peer.ts";
import { until } from "../../testkit/until.ts";
import type { Child } from "./child.ts";
import type { RoutingContender } from "./contenders.ts";
import { envoyOf } from "./envoy-of.ts";
import type { FeederAsks } from "./feeder.ts";

interface FrontNeeds {
  found: Found;
  wasmFile: string;
  /** Runs the sidecar. Called only for a contender with a filter. */
  feeder: () => Child<FeederAsks>;
  /** `ip:port`. */
  pods: readonly string[];
  /** The base model, then its adapters. */
  models: readonly string[];
  /** Folder for files of the peer. */
  folder: string;
  envoys: number;
  /** Worker threads of each Envoy. */
  workers: number;
  /** The sidecar's configuration of what it learns; undefined for the default. */
  learn: Record<string, unknown> | undefined;
  /** Interval of the sidecar's or the picker's scrapes; undefined for their own. */
  scrapeMs: number | undefined;
}

export interface Front {
  envoys: readonly TestEnvoy[];
  /** Whether the client must send the model header, because no filter reads the body. */
  named: boolean;
  /** Process ids of each part. */
  pids(): Record<string, number[]>;
  stop(): Promise<void>;
}

/** Resolves when every Envoy answers requests. */
export async function openFront(contender: RoutingContender, needs: FrontNeeds): Promise<Front> {
  const { pods, models } = needs;
  const envoys: TestEnvoy[] = [];
  let peer: RunningPeer | undefined;
  let sidecar: Child<FeederAsks> | undefined;
  const stop = async () => {
    await sidecar?.ask("stop", null);
    await Promise.all(envoys.map((envoy) => envoy.close()));
    await peer?.stop();
  };
  try {
    peer = await startPeer(contender, needs);
    const { wasmFile, found, workers } = needs;
    const config = envoyOf(contender, { models, endpoints: pods, wasmFile, secret: SECRET, peerPort: peer?.port });
    for (let i = 0; i < needs.envoys; i++)
      envoys.push(await startEnvoy(config, { found, concurrency: workers, logLevel: "error" }));
    if (contender.filter) {
      sidecar = needs.feeder();
      await sidecar.ask("start", sidecarConfig(envoys, needs));
      await Promise.all(envoys.map((envoy) => fresh(envoy, needs)));
    }
    const named = contender.filter === undefined;
    const headers = {
      ...(named ? { [MODEL_HEADER]: models[0] as string } : {}),
      ...(contender.homes ? { [DESTINATION_HEADER]: pods[0] as string } : {}),
    };
    for (const envoy of envoys) await answers(envoy, headers, models[0] as string);
    const pids = () => ({
      Envoy: envoys.map(({ pid }) => pid as number),
      ...(peer ? { [contender.name]: processTree(peer.pid) } : {}),
      ...(sidecar ? { sidecar: [sidecar.pid] } : {}),
    });
    return { envoys, named, pids, stop };
  } catch (error) {
    await stop();
    const logs = peer?.logs().slice(-15).join("\n");
    throw logs ? new Error(`${contender.name}: ${error}; its last lines:\n${logs}`, { cause: error }) : error;
  }
}

async function startPeer({ picker, router }: RoutingContender, needs: FrontNeeds): Promise<RunningPeer | undefined> {
  const { folder, pods, scrapeMs, models } = needs;
  if (picker) return startEpp({ path: peerPath(picker.peer), folder, pods, scrapeMs, config: picker.config });
  if (router) return startRouter(router, { pods: pods.map((pod) => `http://${pod}`), models, folder });
  return undefined;
}

function sidecarConfig(envoys: readonly TestEnvoy[], { pods, scrapeMs, learn }: FrontNeeds): Record<string, unknown> {
  return {
    endpoints: pods.map((pod) => `http://${pod}`),
    push: { targets: envoys.map(({ url }) => url), secret: SECRET },
    listen: "127.0.0.1:0",
    log: { level: "silent" },
    ...(learn && { learn }),
    ...(scrapeMs === undefined ? {} : { scrape: { interval: `${scrapeMs}ms`, maxInterval: `${scrapeMs}ms` } }),
  };
}

/** Waits until every worker has a snapshot with all models on all pods. Concurrent connections are spread over the workers. */
async function fresh(envoy: TestEnvoy, { models, pods, workers }: FrontNeeds): Promise<void> {
  await until("a snapshot with all models and pods", async () => {
    const all = await Promise.all(Array.from({ length: 4 * workers }, () => readBack(envoy.url)));
    return all.every(({ status, json }) => {
      return status === 200 && json.models.length === models.length && json.endpoints.length === pods.length;
    });
  });
}

/** Routers import and probe their pods for this long at most, on a busy machine. */
const ANSWERS_MS = 120_000;

/** Waits until several requests in a row are answered, because pickers and routers refuse some in their first moments. */
async function answers(envoy: TestEnvoy, more: Readonly<Record<string, string>>, model: string): Promise<void> {
  const headers = { ...JSON_TYPE, ...more };
  let last = "";
  const tried = async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => post(envoy.url, chat(model), { headers })));
    last = `${all[0]?.status} ${all[0]?.text.slice(0, 200)}`;
    return all.every(({ status }) => status === 200);
  };
  await until("requests to be answered", tried, ANSWERS_MS).catch((error: Error) => {
    throw new Error(`${error.message}; the last answer: ${last}`);
  });
}
