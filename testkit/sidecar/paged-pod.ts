// A model server that restricts its page as vLLM does: `/metrics` always shows the whole page, and `/metrics/?name[]=…` only the
// samples that are asked for, in the order of the names. A test may replace either response.
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { type Handler, type Listening, listen } from "./listen.ts";

export interface PagedPod extends Listening {
  /** The whole page. */
  page: string;
  /** Answers requests for the whole page; undefined: the server shows `page`. */
  whole: Handler | undefined;
  /** Answers requests for restricted pages; undefined: the server restricts `page`. */
  restricted: ((names: readonly string[]) => Handler) | undefined;
  /** What was asked for since the test emptied the list: "whole", or "restricted". */
  asked: string[];
  /** The last names that were asked for. */
  names: readonly string[];
}

/** The samples of `names` in `page`, as prometheus_client's RestrictedRegistry shows them. */
export function restrictPage(page: string, names: readonly string[]): string {
  const wanted = new Set(names);
  const nameOf = (line: string) => /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0] ?? "";
  const lines = page.split("\n").filter((line) => wanted.has(nameOf(line)));
  return lines.map((line) => `${line}\n`).join("");
}

/** Sends `body`, compressed if the request allows it. */
export const page =
  (body: string): Handler =>
  (request, response) => {
    const gzip = request.headers["accept-encoding"]?.includes("gzip") === true;
    response.writeHead(200, gzip ? { "content-encoding": "gzip" } : {});
    response.end(gzip ? gzipSync(body) : body);
  };

export async function startPagedPod(first: string, port = 0): Promise<PagedPod> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://pod");
    const names = searchParams.getAll("name[]");
    if (pathname === "/v1/models") {
      response.end('{"data":[{"id":"m"}]}');
    } else if (pathname === "/metrics/" && names.length > 0) {
      pod.asked.push("restricted");
      pod.names = names;
      (pod.restricted?.(names) ?? page(restrictPage(pod.page, names)))(request, response);
    } else if (pathname === "/metrics" || pathname === "/metrics/") {
      pod.asked.push(names.length > 0 ? "query" : "whole");
      (pod.whole ?? page(pod.page))(request, response);
    } else {
      response.writeHead(404).end();
    }
  });
  const listening = await listen(server, port);
  const pod: PagedPod = {
    ...listening,
    page: first,
    whole: undefined,
    restricted: undefined,
    asked: [],
    names: [],
  };
  return pod;
}
