// The pods of the sidecar's bench, many in one process and as cheap as Node allows: a listener each, a whole answer of
// prepared bytes each, and only the gauges written anew. Forked; the first message is the ports.
//
// `vllm:num_requests_waiting` says when the answer was made, in ms since the bench's epoch: what reads that number back
// from the filter knows the reading's true age, whoever scraped it.
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";

export interface PodsOptions {
  count: number;
  file: string;
  model: string;
  /** Date.now() of ms 0. */
  epoch: number;
  /** Answers are compressed, as where a proxy does so. The waiting gauge then stays what it was. */
  gzip: boolean;
}

/** Ten digits do for 115 days. */
const DIGITS = 10;
const WAITING = /^vllm:num_requests_waiting\{[^}]*\} /m;

function whole(body: Buffer, more = ""): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=1.0.0\r\n${more}content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function template(options: PodsOptions): { answer: Buffer; at: number } {
  const text = readFileSync(options.file, "latin1").replace(
    /^(vllm:num_requests_waiting\{[^}]*\} ).*$/gm,
    (_, name) => {
      return `${name}${"0".repeat(DIGITS)}`;
    },
  );
  if (options.gzip) {
    return { answer: whole(gzipSync(Buffer.from(text, "latin1")), "content-encoding: gzip\r\n"), at: -1 };
  }
  const answer = whole(Buffer.from(text, "latin1"));
  const found = WAITING.exec(answer.toString("latin1"));
  if (found === null) throw new Error(`${options.file}: no vllm:num_requests_waiting, expected a capture of vLLM`);
  return { answer, at: found.index + found[0].length };
}

function writeDigits(into: Buffer, at: number, value: number): void {
  let rest = value;
  for (let i = DIGITS - 1; i >= 0; i--) {
    into[at + i] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function startPod({ answer, at }: { answer: Buffer; at: number }, models: Buffer, epoch: number): Promise<number> {
  // Each pod has bytes of its own: those of a slow connection are not written over by another's.
  const mine = Buffer.from(answer);
  const server = createServer((socket: Socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    let pending = "";
    socket.on("data", (chunk) => {
      pending += chunk.toString("latin1");
      for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
        const metrics = pending.startsWith("GET /metrics");
        pending = pending.slice(end + 4);
        if (metrics && at >= 0) writeDigits(mine, at, Date.now() - epoch);
        socket.write(metrics ? mine : models);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", 1024, () => resolve((server.address() as { port: number }).port));
  });
}

process.once("message", async (options: PodsOptions) => {
  const made = template(options);
  const models = whole(Buffer.from(JSON.stringify({ data: [{ id: options.model, parent: null }] })));
  const ports: number[] = [];
  for (let i = 0; i < options.count; i++) ports.push(await startPod(made, models, options.epoch));
  process.send?.(ports);
});
process.once("disconnect", () => process.exit());
