// The clients of the bench: each has one stream open, and asks for the next one when it ends.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ChunkReader, type Delay } from "./chunks.ts";

/** Chunks of one stream. */
const CHUNKS = 200;

export interface Streams {
  /** Takes the delays of all chunks that came since the last call. */
  take(): Delay[];
  stop(): Promise<void>;
}

export const monotonic = (): number => Number(process.hrtime.bigint());

/** Opens a stream to each URL. The streams begin at even distances within `everyMs`, the time between two chunks. */
export function openStreams(urls: readonly string[], model: string, everyMs: number): Streams {
  let delays: Delay[] = [];
  const stopped = new AbortController();
  const body = JSON.stringify({
    model,
    stream: true,
    max_tokens: CHUNKS,
    messages: [{ role: "user", content: "hello" }],
  });
  const one = async (url: string, number: number): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true });
    await sleep((everyMs * number) / urls.length);
    while (!stopped.signal.aborted)
      await stream({ url, body, agent, signal: stopped.signal, took: (all) => delays.push(...all) });
    agent.destroy();
  };
  const all = Promise.all(urls.map(one));
  // Whoever stops the streams learns of an error.
  all.catch(() => {});
  return {
    take() {
      const taken = delays;
      delays = [];
      return taken;
    },
    async stop() {
      stopped.abort();
      await all;
    },
  };
}

interface Asked {
  url: string;
  body: string;
  agent: http.Agent;
  signal: AbortSignal;
  took(delays: Delay[]): void;
}

/** Resolves when the stream has ended, or is aborted. Rejects if it is not answered with 200. */
function stream({ url, body, agent, signal, took }: Asked): Promise<void> {
  const reader = new ChunkReader();
  return new Promise((done, fail) => {
    const failed = (error: Error) => (signal.aborted ? done() : fail(error));
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const request = http.request(
      `${url}/v1/chat/completions`,
      { method: "POST", headers, agent, signal },
      (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          failed(new Error(`${url}: a stream was answered with ${response.statusCode}`));
          return;
        }
        response.setEncoding("latin1");
        response.on("data", (text: string) => took(reader.read(text, monotonic())));
        response.on("error", failed);
        response.on("end", done);
      },
    );
    request.on("error", failed);
    request.end(body);
  });
}
