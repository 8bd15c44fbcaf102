// Clients beside the plain one of ../support/http.ts.

import type http from "node:http";
import http2 from "node:http2";
import type { Answer } from "../../testkit/http.ts";

export function answerFrom(status: number, headers: http.IncomingHttpHeaders, chunks: Buffer[]): Answer {
  const body = Buffer.concat(chunks);
  const text = body.toString();
  const pod = headers["x-inference-pod"];
  return {
    status,
    headers,
    pod: typeof pod === "string" ? pod : undefined,
    body,
    chunks,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

export function overHttp2(url: string, headers: Record<string, string>, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url);
    session.on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", ...headers });
    let status = 0;
    let received: http.IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on("response", (given) => {
      status = Number(given[":status"]);
      received = given as http.IncomingHttpHeaders;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", (error) => status || reject(error));
    stream.on("close", () => {
      session.destroy();
      resolve(answerFrom(status, received, chunks));
    });
    stream.end(body);
  });
}
