// Sends each request of a load when the request is due, without waiting for earlier requests. Times count from the moment at which a request was due, so the figures include the client's own delay.
import http from "node:http";
import { DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { Draws } from "../sim/draws.ts";
import { bodyOf } from "../sim/request.ts";
import { fixedHomes } from "../sim/rivals/home.ts";
import { serve } from "./child.ts";
import { type RoutingLoad, requestsOf } from "./loads.ts";
import { type Prepared, type Resend, Sending, type Sent } from "./sending.ts";

interface ClientStart {
  load: RoutingLoad;
  seed: number;
  /** Ports of the Envoys; each request goes to a random one. */
  ports: readonly number[];
  /** Whether the client sends the model header, because no filter reads the body. */
  named: boolean;
  /** The pods, as `ip:port`, for a contender with fixed homes: the client names the home of each request. */
  homes?: readonly string[] | undefined;
  /** Whether a request whose connection breaks before its first token is sent again, to a random Envoy. */
  resends: boolean;
}

export interface ClientAsks {
  /** Ms from the start to the end of the warm-up and to the last arrival. */
  prepare: { given: ClientStart; answer: { warmMs: number; lastMs: number; requests: number } };
  run: { given: null; answer: Sent[] };
}

/** Requests that are still in flight this long after the last arrival are cut off, unless the load says otherwise. */
const GRACE_MS = 4000;
/** As in OpenAI's clients. */
const RESEND_PAUSES = { pauseMs: 500, mostMs: 8000 };

let prepared: Prepared[] = [];
let graceMs = GRACE_MS;
let resend: Resend | undefined;

function prepare({ load, seed, ports, named, homes, resends }: ClientStart): ClientAsks["prepare"]["answer"] {
  const draws = new Draws(seed ^ 0xc11e);
  const { requests, warm } = requestsOf(load, seed);
  graceMs = load.graceMs ?? GRACE_MS;
  const port = () => ports[draws.below(ports.length)] as number;
  resend = resends ? { port, ...RESEND_PAUSES } : undefined;
  const homeOf = homes && fixedHomes(homes.length);
  prepared = requests.map((request) => {
    const body = bodyOf(request);
    return {
      at: request.at,
      port: port(),
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
  const sending = new Sending({ agent, resend });
  const all: Promise<Sent>[] = [];
  let next = 0;
  await new Promise<void>((done) => {
    const step = () => {
      for (; next < prepared.length; next++) {
        const one = prepared[next] as Prepared;
        const { now } = sending;
        if (one.at > now) {
          setTimeout(step, one.at - now);
          return;
        }
        all.push(sending.send(one));
      }
      done();
    };
    step();
  });
  const grace = setTimeout(() => sending.end(), graceMs);
  const results = await Promise.all(all);
  clearTimeout(grace);
  agent.destroy();
  return results;
}

serve<ClientAsks>({ prepare, run });
