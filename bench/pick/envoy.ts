// Measures picks in a real Envoy: a worker's CPU for each request when the filter picks among 16 or 1,000 pods, compared with one
// pod. The filter runs dry: it picks and counts, and every request goes to the same echo server.
import { Agent } from "node:http";
import { checkSchedstat, cpuNanoseconds } from "../../testkit/cpu.ts";
import { startEcho } from "../../testkit/echo.ts";
import { pushToAll, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import { post } from "../../testkit/http.ts";
import { median } from "../../testkit/statistics.ts";

const REQUESTS = 1500;
const ROUNDS = 7;
const PODS = [1, 16, 1000];

export async function inEnvoy(): Promise<void> {
  checkSchedstat();
  console.log(`\nµs of Envoy's CPU for each request, median of ${ROUNDS} rounds of ${REQUESTS}, prompts of 8 KiB`);
  console.log("| profile | 1 pod | 16 pods | 1,000 pods | pick of 16 | pick of 1,000 |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const profile of ["load", "tokens", "epp"]) await measure(profile);
}

async function measure(profile: string): Promise<void> {
  const echo = await startEcho("echo");
  const pools = [{ name: "pool", models: ["m1", "m16", "m1000"], endpoints: [echo.address] }];
  const envoy = await startGateway({ pools, filter: { pick: { profile, dryRun: true } } }, 1);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const addresses = Array.from(
      { length: 1000 },
      (_, i) => `10.1.${100 + Math.floor(i / 100)}.${100 + (i % 100)}:8000`,
    );
    const on = (count: number) => ({ on: addresses.slice(0, count).map((address) => ({ address, running: 3 })) });
    await pushToAll(envoy, { m1: on(1), m16: on(16), m1000: on(1000) });
    const content = "All work and no play makes Jack a dull boy. ".repeat(186);
    const pid = envoy.pid ?? 0;
    const time = async (pods: number) => {
      const body = JSON.stringify({ model: `m${pods}`, messages: [{ role: "user", content }] });
      const before = cpuNanoseconds(pid);
      for (let i = 0; i < REQUESTS; i++) await post(envoy.url, body, { agent });
      return (cpuNanoseconds(pid) - before) / REQUESTS / 1000;
    };
    const times = new Map<number, number[]>(PODS.map((pods) => [pods, []]));
    for (const pods of PODS) await time(pods);
    for (let round = 0; round < ROUNDS; round++) for (const pods of PODS) times.get(pods)?.push(await time(pods));
    const [one = 0, few = 0, many = 0] = PODS.map((pods) => median(times.get(pods) ?? []));
    const cells = [one, few, many, few - one, many - one].map((value) => value.toFixed(1));
    console.log(`| ${profile} | ${cells.join(" | ")} |`);
  } finally {
    agent.destroy();
    await envoy.close();
    await echo.close();
  }
}
