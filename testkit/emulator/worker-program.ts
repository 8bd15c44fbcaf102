// A worker of an emulated Envoy in a thread of its own: what runs in the thread. Before each call on shared data the thread hands
// its turn to the test, which executes the call when it likes (worker-thread.ts).
import { parentPort, workerData } from "node:worker_threads";
import type { Stream } from "../../emulator/index.ts";
import { SharedData } from "../../emulator/shared-data.ts";
import { DEBUG_HEADER, EXPLAIN_HEADER, REPORT_HEADER, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { textHash } from "../../protocol/traffic.ts";
import { decodeReport } from "../../protocol/traffic-report.ts";
import { A, B, C, D, Gateway, JSON_TYPE, routed, SECRET } from "../filter/gateway.ts";
import { Handoff, type HandoffEnd } from "./handoff.ts";
import type { Command, EndpointCounts, FromWorker, Outcome, ToWorker, WorkerSettings } from "./worker-messages.ts";

const { end, settings } = workerData as { end: HandoffEnd; settings: WorkerSettings };
const handoff = new Handoff<FromWorker, ToWorker>(end);

class Dying extends Error {}

/** The other thread's shared data. The data outlives the worker's VM, because the VMs of other workers use it too. */
class DistantData extends SharedData {
  override get(vmId: string, key: string): { value: Buffer; cas: number } | undefined {
    const answer = ask({ call: { kind: "get", vmId, key } });
    if (!("found" in answer)) throw new Error("a get got no value");
    return answer.found && { value: Buffer.from(answer.found.value), cas: answer.found.cas };
  }

  override set(vmId: string, key: string, value: Uint8Array, cas = 0): number {
    const answer = ask({ call: { kind: "set", vmId, key, value, cas } });
    if (!("status" in answer)) throw new Error("a set got no status");
    return answer.status;
  }

  override forget(): void {}
}

function ask(call: FromWorker): ToWorker {
  const answer = handoff.exchange(call);
  if ("die" in answer) throw new Dying("the test ends this VM");
  return answer;
}

const newGateway = () => new Gateway({ workers: 0, ...settings, shared: new DistantData() });
let gateway = newGateway();
/** Where the clock should be. The clock stands still at the death of a VM in a tick, and makes up for it with the next advance. */
let milliseconds = 0;
/** Addresses of the endpoints by their hashes. */
const addresses = new Map([A, B, C, D].map((address) => [textHash(address), address]));
const streams = new Map<number, { stream: Stream; address: string }>();

function run(command: Command): Outcome {
  switch (command.do) {
    case "renew":
      gateway = newGateway();
      milliseconds = 0;
      streams.clear();
      return {};
    case "start":
      gateway.startWorker();
      return {};
    case "pick":
      return { address: pick(command) };
    case "firstByte": {
      const { stream, address } = opened(command.request);
      const headers = { "content-type": "text/event-stream" };
      stream.respond({ headers, chunks: [CHUNK], end: false, upstreamAddress: address });
      return explanation(stream);
    }
    case "end": {
      const { stream, address } = opened(command.request);
      streams.delete(command.request);
      const begun = stream.responseStarted;
      if (begun) stream.responseBody(LAST_CHUNK, true);
      else stream.respond({ body: "{}", upstreamAddress: address });
      stream.finish();
      return begun ? {} : explanation(stream);
    }
    case "abort":
      opened(command.request).stream.abort();
      streams.delete(command.request);
      return {};
    case "advance":
      milliseconds += command.milliseconds;
      gateway.process.advance(milliseconds - elapsed());
      return {};
    case "push": {
      const { status } = gateway.push(command.snapshot);
      if (status !== 200) throw new Error(`the push got ${status}`);
      return {};
    }
    case "read":
      return { counts: read() };
  }
}

const CHUNK = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
const LAST_CHUNK = "data: [DONE]\n\n";

function elapsed(): number {
  return Number(gateway.process.now - gateway.process.started) / 1e6;
}

/** Returns the picked address. */
function pick({ request, model, prompt }: { request: number; model: string; prompt: string }): string {
  const headers = { ...JSON_TYPE, [DEBUG_HEADER]: SECRET };
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] });
  const stream = gateway.send({ path: "/v1/chat/completions", headers, body });
  const address = routed(stream.outcome).destination?.split(",")[0];
  if (address === undefined) throw new Error("the filter picked no endpoint");
  streams.set(request, { stream, address });
  return address;
}

function explanation({ responseOutcome }: Stream): Outcome {
  return { explanation: responseOutcome.headers?.get(EXPLAIN_HEADER) ?? "" };
}

function opened(request: number): { stream: Stream; address: string } {
  const found = streams.get(request);
  if (!found) throw new Error(`request ${request} is not open`);
  return found;
}

/** Counts by address, from the traffic report. Endpoints without requests are not in it. */
function read(): Record<string, EndpointCounts> {
  const headers = { [SECRET_HEADER]: SECRET, [REPORT_HEADER]: "0.0" };
  const stream = gateway.send({ method: "GET", path: SNAPSHOT_PATH, headers });
  const { counts } = decodeReport(stream.localResponse?.body ?? Buffer.alloc(0));
  stream.finish();
  const address = (hash: bigint) => addresses.get(hash) ?? String(hash);
  return Object.fromEntries(
    [...counts].map(([hash, { requests, pending }]) => [address(hash), { inFlight: requests, waiting: pending }]),
  );
}

/** Runs a command. When the VM dies in it, the worker's streams end with the VM. */
function attempt(command: Command): FromWorker {
  try {
    const done = run(command);
    gateway.assertHealthy();
    return { done };
  } catch (error) {
    const { cause = error, message, stack } = error as Error;
    if (!(cause instanceof Dying)) return { failed: `${JSON.stringify(command.do)}: ${stack ?? message}` };
    for (const vm of [...gateway.process.vms]) gateway.process.forget(vm);
    gateway.workers.length = 0;
    streams.clear();
    return { died: true };
  }
}

parentPort?.postMessage("ready");
for (let message = handoff.wait(); ; ) {
  if (!("command" in message)) throw new Error("expected a command");
  message = handoff.exchange(attempt(message.command));
}
