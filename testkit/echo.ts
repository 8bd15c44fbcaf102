// An upstream that remembers each request byte by byte and answers as the test says. The sidecar can scrape it.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Seen {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** Names and values alternate, unchanged. */
  rawHeaders: string[];
  trailers: Record<string, string>;
  body: Buffer;
}

type Reply = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void;

export interface Echo {
  readonly name: string;
  readonly address: string;
  readonly url: string;
  /** The requests that arrived completely, oldest first. */
  readonly seen: Seen[];
  /** The last request of `seen`. */
  last(): Seen;
  reply: Reply;
  /** Runs after the headers of a request, before the echo reads the body. Returns true if it answers the request itself. */
  early: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

export async function startEcho(name: string, models: readonly string[] = [], port = 0): Promise<Echo> {
  const seen: Seen[] = [];
  const list = { object: "list", data: models.map((id) => ({ id, object: "model", root: id, parent: null })) };
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 3_600_000 }, (request, response) => {
    response.setHeader("x-inference-pod", name);
    if (request.url === "/metrics") return void response.end(IDLE);
    if (request.url === "/v1/models") {
      response.setHeader("content-type", "application/json");
      return void response.end(JSON.stringify(list));
    }
    if (echo.early?.(request, response)) return;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one: Seen = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers as Record<string, string>,
        rawHeaders: request.rawHeaders,
        trailers: request.trailers as Record<string, string>,
        body: Buffer.concat(chunks),
      };
      seen.push(one);
      echo.reply(one, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const echo: Echo = {
    name,
    address,
    url: `http://${address}`,
    seen,
    last: () => seen.at(-1) ?? fail(name),
    reply: showHeaders,
    early: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return echo;
}

const IDLE = [
  'vllm:num_requests_waiting{engine="0"} 0',
  'vllm:num_requests_running{engine="0"} 0',
  'vllm:kv_cache_usage_perc{engine="0"} 0',
  "",
].join("\n");

function fail(name: string): never {
  throw new Error(`nothing has reached ${name}`);
}

const showHeaders: Reply = (seen, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ headers: seen.headers, bytes: seen.body.length, trailers: seen.trailers }));
};

/** All values of a header in order, in any case. Unlike Node, this function does not join repeated headers. */
export function valuesOf(seen: Seen, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < seen.rawHeaders.length; i += 2) {
    if (seen.rawHeaders[i]?.toLowerCase() === name) values.push(seen.rawHeaders[i + 1] ?? "");
  }
  return values;
}
