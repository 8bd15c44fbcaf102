// Measures what many workers cost each other in a real Envoy. Two gateways with two builds of the filter run side by side. The same
// requests go to both in turns, and are picked for and sent to real pods. A figure is the CPU of Envoy's process for each request.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Found } from "../../envoy/binary.ts";
import { endWithProcess } from "../../envoy/process.ts";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { counters, pushToAll, SECRET } from "../../testkit/envoy/filter-envoy.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { Random } from "../../testkit/random.ts";
import { Connection } from "../body/client.ts";

export const PROFILES = ["tokens", "load"] as const;
export type Profile = (typeof PROFILES)[number];

interface WorkersPlan {
  workers: readonly number[];
  pods: readonly number[];
  profiles: readonly Profile[];
  promptBytes: readonly number[];
  /** Pairs of gateways, one after the other. Two processes with one build differ by some µs, for as long as they live. */
  starts: number;
  rounds: number;
  /** Requests of each build in a round. */
  requests: number;
  found: Found;
  now: string;
  before: string;
}

export interface Case {
  workers: number;
  profile: Profile;
  pods: number;
  promptBytes: number;
  streamed: boolean;
}

/** Figures of one pair of gateways: µs of Envoy's CPU for each request, with an entry for each round. */
export interface Start {
  now: number[];
  before: number[];
  /** Requests per second through the new build. */
  rate: number;
}

export interface Result extends Case {
  starts: Start[];
}

/** Envoy gives every worker equally many. A busy worker has dozens of requests in flight. */
const CONNECTIONS_PER_WORKER = 32;
/** The other pods of the model have OTHERS_RUNNING requests. So picks stay among few pods, and connections to these are soon open. */
const FREE_PODS = 16;
const OTHERS_RUNNING = 60;
/** Requests after which V8 has optimized the filter. */
const WARM_UP = 6000;
/** Different bodies of a case. Half of each prompt is one of CUSTOMERS texts. */
const BODIES = 2048;
const CUSTOMERS = 64;

export async function measureWorkers(plan: WorkersPlan, progress: (line: string) => void): Promise<Result[]> {
  const results = new Map<string, Result>();
  const { addresses, stop } = await startPods(Math.max(...plan.pods));
  try {
    for (let start = 0; start < plan.starts; start++) {
      for (const workers of plan.workers) {
        for (const profile of plan.profiles) {
          progress(`start ${start + 1}/${plan.starts}: ${workers} workers, ${profile}`);
          for (const [one, figures] of await measureStart(plan, addresses, workers, profile)) {
            const known = results.get(JSON.stringify(one)) ?? { ...one, starts: [] };
            results.set(JSON.stringify(one), known);
            known.starts.push(figures);
          }
        }
      }
    }
  } finally {
    stop();
  }
  return [...results.values()];
}

/** Starts a gateway with each build, and measures all cases of these workers and this profile. */
async function measureStart(
  plan: WorkersPlan,
  addresses: readonly string[],
  workers: number,
  profile: Profile,
): Promise<[Case, Start][]> {
  const measured: [Case, Start][] = [];
  const gateways: Gateway[] = [];
  try {
    for (const wasm of [plan.now, plan.before])
      gateways.push(await startGateway(plan.found, wasm, addresses, profile, workers));
    for (const pods of plan.pods) {
      await feed(gateways, addresses.slice(0, pods));
      const some = makeRequests({ workers, profile, pods, promptBytes: 1024, streamed: true });
      for (const gateway of gateways) await send(gateway, some, 0, WARM_UP);
      for (const promptBytes of plan.promptBytes) {
        for (const streamed of [false, true]) {
          const one: Case = { workers, profile, pods, promptBytes, streamed };
          measured.push([one, await measureCase(gateways, one, plan)]);
        }
      }
    }
  } finally {
    for (const { connections, envoy } of gateways) {
      for (const connection of connections) connection.close();
      await envoy.close();
    }
  }
  return measured;
}

function startPods(count: number): Promise<{ addresses: string[]; stop(): void }> {
  const child = fork(fileURLToPath(new URL("./answers.ts", import.meta.url)), [String(count)]);
  const stop = () => void child.kill("SIGKILL");
  const forget = endWithProcess(stop);
  return new Promise((done, fail) => {
    child.once("message", (addresses) => done({ addresses: addresses as string[], stop }));
    child.once("exit", (status) => {
      forget();
      fail(new Error(`the pods ended with ${status}`));
    });
  });
}

interface Gateway {
  envoy: TestEnvoy;
  pid: number;
  connections: Connection[];
}

async function startGateway(
  found: Found,
  wasm: string,
  endpoints: readonly string[],
  profile: Profile,
  workers: number,
): Promise<Gateway> {
  const configuration = { snapshot: { staleAfter: "3600s" }, pick: { profile } };
  const envoy = await startEnvoy(
    { pools: [{ name: "pool", models: ["m"], endpoints }], wasm: { file: wasm, secret: SECRET, configuration } },
    { found, concurrency: workers, logLevel: "error" },
  );
  if (envoy.pid === undefined) throw new Error("the Envoy has no process id on this machine");
  const count = CONNECTIONS_PER_WORKER * workers;
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(envoy.port)));
  return { envoy, pid: envoy.pid, connections };
}

async function feed(gateways: readonly Gateway[], addresses: readonly string[]): Promise<void> {
  const step = Math.max(1, Math.floor(addresses.length / FREE_PODS));
  const on = addresses.map((address, i) => ({ address, running: i % step === 0 ? 0 : OTHERS_RUNNING }));
  for (const { envoy } of gateways) await pushToAll(envoy, { m: { on } });
}

async function measureCase(gateways: readonly Gateway[], one: Case, plan: WorkersPlan): Promise<Start> {
  const [now, before] = gateways as [Gateway, Gateway];
  const requests = makeRequests(one);
  // Each build gets the same requests in the same order.
  for (const gateway of gateways) await send(gateway, requests, 0, 2 * plan.requests);
  await checkWorkers(now.envoy, one.workers);
  const known = await counters(now.envoy);
  const result: Start = { now: [], before: [], rate: 0 };
  let seconds = 0;
  for (let round = 0; round < plan.rounds; round++) {
    const from = (round + 2) * plan.requests;
    const measure = async (gateway: Gateway) => {
      const cpu = cpuNanoseconds(gateway.pid);
      await send(gateway, requests, from, plan.requests);
      return (cpuNanoseconds(gateway.pid) - cpu) / plan.requests / 1000;
    };
    const measureNow = async () => {
      const began = performance.now();
      result.now.push(await measure(now));
      seconds += (performance.now() - began) / 1000;
    };
    if (round % 2 === 0) await measureNow();
    result.before.push(await measure(before));
    if (round % 2 === 1) await measureNow();
  }
  result.rate = (plan.rounds * plan.requests) / seconds;
  checkPicks(known, await counters(now.envoy), plan.rounds * plan.requests);
  return result;
}

/** Sends `count` requests, the first of which has the number `from`, on all connections of a gateway at once. */
async function send({ connections }: Gateway, requests: readonly Buffer[], from: number, count: number): Promise<void> {
  let next = from;
  const end = from + count;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < end) {
        const { status, body } = await connection.send(requests[next++ % requests.length] as Buffer);
        if (status !== 200) throw new Error(`a request was answered with ${status} ${body}, expected 200`);
      }
    }),
  );
}

function makeRequests({ promptBytes, streamed }: Case): Buffer[] {
  const random = new Random(promptBytes);
  const words = (bytes: number) => {
    let text = "";
    while (text.length < bytes) text += `${random.next().toString(36)} `;
    return text.slice(0, bytes);
  };
  const shared = Array.from({ length: CUSTOMERS }, () => words(promptBytes / 2));
  return Array.from({ length: BODIES }, () => {
    const content = random.pick(shared) + words(promptBytes / 2);
    const body = JSON.stringify({
      model: "m",
      ...(streamed && { stream: true }),
      messages: [{ role: "user", content }],
    });
    const head = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: bench.example",
      "content-type: application/json",
      `accept: ${streamed ? "text/event-stream" : "application/json"}`,
      `content-length: ${body.length}`,
    ];
    return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
  });
}

/** Throws if a worker has no connection, because it would then send no request. */
async function checkWorkers(envoy: TestEnvoy, workers: number): Promise<void> {
  const stats = await envoy.stats("^listener\\..*\\.worker_\\d+\\.downstream_cx_active$");
  const active = [...stats].filter(([name]) => name.startsWith("listener.llm.")).map(([, value]) => value);
  if (active.length !== workers || active.some((connections) => connections < CONNECTIONS_PER_WORKER / 2))
    throw new Error(`the workers have ${active.join(", ")} connections, expected ${CONNECTIONS_PER_WORKER} each`);
}

/** Throws if a request was not picked for, or did not follow its pick. */
function checkPicks(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>, requests: number): void {
  const rise = (name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0);
  if (rise("picked") !== requests || rise("setup.not_followed") + rise("rerouted") + rise("shared_failed") > 0)
    throw new Error(
      `of ${requests} requests ${rise("picked")} were picked for, ${rise("rerouted")} went elsewhere, and ${rise("shared_failed")} writes failed`,
    );
}
