// `make profile` prints which functions of the filter use the CPU. Requests go through the filter in the emulator, in Node's V8
// (Envoy uses V8 too). The module has the release's flags and keeps its functions' names. The time of an inlined function counts
// for its caller. The figures leave host calls out, because the emulator implements them.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createRequire } from "node:module";
import { Command } from "commander";
import { base, chat, endpoint, Gateway, JSON_TYPE } from "../testkit/filter/gateway.ts";

const OUT = "build/pilotfish.profile.wasm";
const PROFILE = "build/pilotfish.cpuprofile";

const options = new Command("profile")
  .description("CPU of the filter by function")
  .option("--requests <n>", "how many requests", Number, 5000)
  .option("--bytes <n>", "bytes of each prompt", Number, 8192)
  .option("--endpoints <n>", "endpoints to pick from", Number, 16)
  .option("--top <n>", "how many functions are shown", Number, 20)
  .parse()
  .opts<{ requests: number; bytes: number; endpoints: number; top: number }>();

function compile(): WebAssembly.Module {
  const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
  mkdirSync("build", { recursive: true });
  const args = [asc, "--target", "release", "--debug", "--outFile", OUT, "--textFile", "build/pilotfish.profile.wat"];
  const run = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`asc --target release --debug: ${run.stderr}`);
  return new WebAssembly.Module(readFileSync(OUT));
}

function send(gateway: Gateway, count: number): void {
  for (let i = 0; i < count; i++) {
    const prompt = `${i} `.padEnd(options.bytes, `${i % 97} word `);
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: prompt }] });
    const stream = gateway.send({ ...chat("m"), headers: JSON_TYPE, body });
    const [first = ""] = (stream.outcome.requestHeaders?.get("x-gateway-destination-endpoint") ?? "").split(",");
    stream.respond({ status: 200, body: "{}", upstreamAddress: first });
    stream.finish();
    if (i % 20 === 0) gateway.process.advance(20);
  }
}

const gateway = new Gateway({ module: compile(), configuration: { snapshot: { staleAfter: "3600s" } } });
const addresses = Array.from({ length: options.endpoints }, (_, i) => `10.0.${i >> 8}.${(i & 255) + 1}:8000`).sort();
gateway.feed({ endpoints: addresses.map((at) => endpoint(at)), models: [base("m", addresses)] });
// These requests make V8 optimize the hot functions before the profile begins.
send(gateway, Math.min(1000, options.requests));

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: 100 });
await session.post("Profiler.start");
const began = process.cpuUsage();
send(gateway, options.requests);
const cpu = process.cpuUsage(began);
const { profile } = await session.post("Profiler.stop");
writeFileSync(PROFILE, JSON.stringify(profile));

const micros = new Map<string, number>();
const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
for (const [i, id] of (profile.samples ?? []).entries()) {
  const frame = names.get(id);
  if (!frame?.url.startsWith("wasm:")) continue;
  micros.set(frame.functionName, (micros.get(frame.functionName) ?? 0) + (profile.timeDeltas?.[i] ?? 0));
}
const total = [...micros.values()].reduce((sum, value) => sum + value, 0);
const perRequest = (value: number) => (value / options.requests).toFixed(2).padStart(8);
console.log(
  `${perRequest(total)} µs  a request in the filter, of ${perRequest(cpu.user + cpu.system).trim()} µs with the emulator`,
);
for (const [name, value] of [...micros].sort((a, b) => b[1] - a[1]).slice(0, options.top))
  console.log(`${perRequest(value)} µs ${((100 * value) / total).toFixed(1).padStart(5)} %  ${name}`);
console.log(`${PROFILE}: open it in Chrome's DevTools (Performance, Load profile) or in an editor`);
