// The pods of the sidecar's bench. All run in one forked process, as cheaply as Node allows: each pod has a listener and a prepared
// response, in which only the gauges change. The first message to the process has the pods' addresses.
//
// With `names` a pod answers `GET /metrics/?name[]=…` with the samples of these names, as vLLM does; else with the whole page.
//
// `vllm:num_requests_waiting` is the time of the answer, in ms since the bench's epoch. A read-back of this number from the filter
// gives the true age of a reading.
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { restrictedPage } from "../../simulator/metrics/restricted-page.ts";

export interface PodsOptions {
  count: number;
  file: string;
  model: string;
  /** Date.now() of the bench's epoch. */
  epoch: number;
  /** Whether answers are compressed, as by a proxy. The gauge is then constant. */
  gzip: boolean;
  /** Whether a pod honours name[]. */
  names: boolean;
}

/** Number of answered scrapes since the start. */
export interface Served {
  all: number;
  /** Those with a page of some names. */
  restricted: number;
}

/** Ten digits suffice for 115 days. */
const DIGITS = 10;
const WAITING = /^vllm:num_requests_waiting\{[^}]*\} /m;

/** uvicorn's format for a response without a length, which vLLM uses for its metrics. */
function whole(body: Buffer, more = ""): Buffer {
  const head = `HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/plain; version=1.0.0; charset=utf-8\r\n${more}transfer-encoding: chunked\r\n\r\n`;
  const size = `${body.length.toString(16)}\r\n`;
  return Buffer.concat([Buffer.from(head + size), body, Buffer.from("\r\n0\r\n\r\n")]);
}

interface Template {
  answer: Buffer;
  /** Position in `answer` of the digits that each scrape replaces; -1: the answer has no such digits. */
  at: number;
}

/** The capture, with room for the gauge's digits. */
function captureOf(file: string): string {
  const text = readFileSync(file, "latin1").replace(
    /^(vllm:num_requests_waiting\{[^}]*\} ).*$/gm,
    (_, name) => `${name}${"0".repeat(DIGITS)}`,
  );
  if (!WAITING.test(text)) throw new Error(`${file}: no vllm:num_requests_waiting, expected a capture of vLLM`);
  return text;
}

function templateOf(text: string, gzip: boolean): Template {
  if (gzip) return { answer: whole(gzipSync(Buffer.from(text, "latin1")), "content-encoding: gzip\r\n"), at: -1 };
  const answer = whole(Buffer.from(text, "latin1"));
  const found = WAITING.exec(answer.toString("latin1"));
  return { answer, at: found === null ? -1 : found.index + found[0].length };
}

const QUERY = /^GET \/metrics\/\?(\S+) /;

/** The templates of the pages. All pods are asked for the same names, so a query is looked up by its text. */
class Pages {
  readonly whole: Template;
  readonly #text: string;
  readonly #names: boolean;
  readonly #restricted = new Map<string, Template>();

  constructor({ file, gzip, names }: PodsOptions) {
    this.#text = captureOf(file);
    this.#names = names;
    this.whole = templateOf(this.#text, gzip);
  }

  /** `line`: the request line. */
  of(line: string): Template {
    const query = this.#names ? QUERY.exec(line)?.[1] : undefined;
    if (query === undefined) return this.whole;
    const known = this.#restricted.get(query);
    if (known !== undefined) return known;
    const names = new Set(new URLSearchParams(query).getAll("name[]"));
    const made = names.size === 0 ? this.whole : templateOf(restrictedPage(this.#text, names), false);
    this.#restricted.set(query, made);
    return made;
  }
}

function writeDigits(into: Buffer, at: number, value: number): void {
  let rest = value;
  for (let i = DIGITS - 1; i >= 0; i--) {
    into[at + i] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

interface Made {
  pages: Pages;
  models: Buffer;
  epoch: number;
}

const FAULTS = ["crash", "hang", "500", "drip"] as const;
export type Fault = (typeof FAULTS)[number];

const DRIP_MS = 20;

interface Pod {
  port: number;
  /** Changes the behaviour of a pod from now on. A crash ends its listener and connections. */
  fail(fault: Fault): void;
}

/** Rejects if the port is taken at this address. */
function startPod({ pages, models, epoch }: Made, host: string, port: number): Promise<Pod> {
  // Each pod has a buffer of its own, so that another pod does not overwrite the bytes of a slow connection.
  const copies = new Map<Template, Buffer>();
  const metrics = (line: string): Buffer => {
    const page = pages.of(line);
    const mine = copies.get(page) ?? Buffer.from(page.answer);
    copies.set(page, mine);
    served.all++;
    if (page !== pages.whole) served.restricted++;
    if (page.at >= 0) writeDigits(mine, page.at, Date.now() - epoch);
    return mine;
  };
  const sockets = new Set<Socket>();
  let fault: Fault | undefined;
  const reply = (socket: Socket, line: string): void => {
    const answer = line.startsWith("GET /metrics") ? metrics(line) : models;
    if (fault === undefined) socket.write(answer);
    else if (fault === "500") socket.write("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    else if (fault === "drip") drip(socket, answer);
  };
  const server = createServer((socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    let pending = "";
    socket.on("data", (chunk) => {
      pending += chunk.toString("latin1");
      for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
        const line = pending.slice(0, pending.indexOf("\r\n"));
        pending = pending.slice(end + 4);
        reply(socket, line);
      }
    });
  });
  const fail = (wanted: Fault): void => {
    fault = wanted;
    if (wanted !== "crash") return;
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, 1024, () => resolve({ port: (server.address() as { port: number }).port, fail }));
  });
}

function drip(socket: Socket, bytes: Buffer): void {
  let at = 0;
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), DRIP_MS);
  socket.once("close", () => clearInterval(timer));
}

/** The process reports this on request. */
const served: Served = { all: 0, restricted: 0 };

/** Each pod has an address of its own, and all have the same port, like the pods of an InferencePool. */
const address = (i: number): string => `127.20.${1 + (i >> 7)}.${1 + (i & 127)}`;

process.once("message", async (options: PodsOptions) => {
  const models = whole(Buffer.from(JSON.stringify({ data: [{ id: options.model, parent: null }] })));
  const made: Made = { pages: new Pages(options), models, epoch: options.epoch };
  const pods = [await startPod(made, address(0), 0)];
  const { port } = pods[0] as Pod;
  for (let i = 1; i < options.count; i++) pods.push(await startPod(made, address(i), port));
  process.send?.(pods.map((_, i) => `${address(i)}:${port}`));
  process.on("message", (message: "served" | { pod: number; fault: Fault }) => {
    if (message === "served") process.send?.(served);
    else pods[message.pod]?.fail(message.fault);
  });
});
process.once("disconnect", () => process.exit());
