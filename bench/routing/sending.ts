// Sends one request over HTTP, and records the time of its first token and the pod that answered.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface Prepared {
  /** When the request is due, in ms from the start. */
  at: number;
  port: number;
  headers: http.OutgoingHttpHeaders;
  body: Buffer;
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
  /** How often the request was sent again. */
  again: number;
  /** Whether the response broke off after its first token. */
  broken: boolean;
}

interface SendingParts {
  agent: http.Agent;
  /** How a request is sent again; undefined: none is. */
  resend: Resend | undefined;
}

export interface Resend {
  /** Where the request goes now. */
  port(): number;
  /** The pause before the first time, ms. Each pause is twice the pause before, up to `mostMs`. */
  pauseMs: number;
  mostMs: number;
}

/** Sends the requests of a run until it is ended. */
export class Sending {
  readonly #parts: SendingParts;
  readonly #began = performance.now();
  readonly #open = new Set<http.ClientRequest>();
  #ended = false;

  constructor(parts: SendingParts) {
    this.#parts = parts;
  }

  /** Ms since the start. */
  get now(): number {
    return performance.now() - this.#began;
  }

  /** Cuts off the requests that are in flight. */
  end(): void {
    this.#ended = true;
    for (const request of this.#open) request.destroy();
  }

  /** Resolves at the end of the response, or when the request is cut off. */
  async send(one: Prepared): Promise<Sent> {
    const { at } = one;
    const sent: Sent = {
      at,
      late: this.now - at,
      wait: 0,
      cut: true,
      status: 0,
      pod: -1,
      again: 0,
      broken: false,
    };
    await this.#attempt(one, one.port, sent);
    const { resend } = this.#parts;
    // Without a first token the client sends the request again, as real clients do when a connection breaks.
    while (resend !== undefined && sent.cut && !this.#ended) {
      await sleep(Math.min(resend.mostMs, resend.pauseMs * 2 ** sent.again));
      if (this.#ended) break;
      sent.again++;
      await this.#attempt(one, resend.port(), sent);
    }
    if (sent.cut) sent.wait = this.now - at;
    return sent;
  }

  /** Sends the request once. Resolves when the response has ended or the connection is broken. */
  #attempt({ at, headers, body }: Prepared, port: number, sent: Sent): Promise<void> {
    return new Promise((done) => {
      const request = http.request({
        host: "127.0.0.1",
        port,
        method: "POST",
        path: "/v1/chat/completions",
        headers,
        agent: this.#parts.agent,
      });
      this.#open.add(request);
      const end = (complete: boolean) => {
        if (!this.#open.delete(request)) return;
        if (!complete && !sent.cut && !this.#ended) sent.broken = true;
        done();
      };
      request.on("response", (response) => {
        sent.status = response.statusCode ?? 0;
        const pod = response.headers["x-inference-pod"];
        sent.pod = typeof pod === "string" ? Number(pod.slice(pod.indexOf("-") + 1)) : -1;
        response.on("data", () => {
          if (!sent.cut) return;
          sent.cut = false;
          sent.wait = this.now - at;
        });
        response.on("end", () => end(response.complete));
        response.on("close", () => end(response.complete));
        response.on("error", () => end(false));
      });
      request.on("error", () => end(false));
      request.on("close", () => end(false));
      request.end(body);
    });
  }
}
