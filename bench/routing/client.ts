// Sends each request of a load when the request is due, without waiting for earlier requests. Records the time of each first token and
// the pod. Times count from the moment at which a request was due, so the figures include the client's own delay.
import http from "node:http";
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { Draws } from "../sim/draws.ts";
import { bodyOf } from "../sim/request.ts";
import { fixedHomes } from "../sim/rivals/home.ts";
import { serve } from "./child.ts";
import { type RoutingLoad, requestsOf } from "./loads.ts";

interface ClientStart {
  load: RoutingLoad;
  seed: number;
  /** Ports of the Envoys; each request goes to a random one. */
  ports: readonly number[];
  /** Whether the client sends the model header, because no filter reads the body. */
  named: boolean;
  /** The pods, as `ip:port`, for a contender with fixed homes: the client names the home of each request. */
  homes?: readonly string[] | undefined;
}

export interface Sent {
  /** When the request was due, in ms from the start. */
  at: number;
  /** Delay in ms between due and sent. */
  late: number;
  /** Ms to the first token; for a cut request, how long it had waited. */
  wait: number;
  cut: boolean;
  status: number;
  /** Index of the pod that answered; -1: no pod. */
  pod: number;
}

export interface ClientAsks {
  /** Ms from the start to the end of the warm-up and to the last arrival. */
  prepare: { given: ClientStart; answer: { warmMs: number; lastMs: number; requests: number } };
  run: { given: null; answer: Sent[] };
}

/** Requests that are still in flight this long after the last arrival are cut off, unless the load says otherwise. */
const GRACE_MS = 4000;

interface Prepared {
  at: number;
  port: number;
  headers: http.OutgoingHttpHeaders;
  body: Buffer;
}

let prepared: Prepared[] = [];
let graceMs = GRACE_MS;

function prepare({ load, seed, ports, named, homes }: ClientStart): ClientAsks["prepare"]["answer"] {
  const draws = new Draws(seed ^ 0xc11e);
  const { requests, warm } = requestsOf(load, seed);
  graceMs = load.graceMs ?? GRACE_MS;
  const homeOf = homes && fixedHomes(homes.length);
  prepared = requests.map((request) => {
    const body = bodyOf(request);
    return {
      at: request.at,
      port: ports[draws.below(ports.length)] as number,
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        ...(named ? { [MODEL_HEADER]: request.model } : {}),
        ...(homeOf ? { [DESTINATION_HEADER]: homes[homeOf(request)] } : {}),
      },
      body,
    };
  });
  const at = (i: number) => prepared[i]?.at ?? 0;
  return { warmMs: at(warm), lastMs: at(prepared.length - 1), requests: prepared.length };
}

/** Connections take turns, so that all workers of Envoy get their share. */
const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, scheduling: "fifo" });

async function run(): Promise<Sent[]> {
  const began = performance.now();
  const open = new Set<http.ClientRequest>();
  const results: Sent[] = [];
  const ends: Promise<void>[] = [];
  let next = 0;
  await new Promise<void>((done) => {
    const step = () => {
      for (; next < prepared.length; next++) {
        const one = prepared[next] as Prepared;
        const now = performance.now() - began;
        if (one.at > now) {
          setTimeout(step, one.at - now);
          return;
        }
        ends.push(sendOne(one, began, open, results, next));
      }
      done();
    };
    step();
  });
  const ended = Promise.all(ends);
  const grace = setTimeout(() => {
    for (const request of open) request.destroy();
  }, graceMs);
  await ended;
  clearTimeout(grace);
  agent.destroy();
  return results;
}

function sendOne(
  { at, port, headers, body }: Prepared,
  began: number,
  open: Set<http.ClientRequest>,
  results: Sent[],
  position: number,
): Promise<void> {
  const since = () => performance.now() - began - at;
  const sent: Sent = { at, late: since(), wait: 0, cut: true, status: 0, pod: -1 };
  results[position] = sent;
  return new Promise((done) => {
    const request = http.request({
      host: "127.0.0.1",
      port,
      method: "POST",
      path: "/v1/chat/completions",
      headers,
      agent,
    });
    open.add(request);
    const end = () => {
      if (!open.delete(request)) return;
      if (sent.cut) sent.wait = since();
      done();
    };
    request.on("response", (response) => {
      sent.status = response.statusCode ?? 0;
      const pod = response.headers["x-inference-pod"];
      sent.pod = typeof pod === "string" ? Number(pod.slice(pod.indexOf("-") + 1)) : -1;
      response.on("data", () => {
        if (!sent.cut) return;
        sent.cut = false;
        sent.wait = since();
      });
      response.on("end", end);
      response.on("close", end);
      response.on("error", end);
    });
    request.on("error", end);
    request.on("close", end);
    request.end(body);
  });
}

serve<ClientAsks>({ prepare, run });
