// A client that speaks HTTP/2; testkit/http.ts has the HTTP/1.1 client.

import type http from "node:http";
import http2 from "node:http2";
import { type Answer, answerOf } from "../../testkit/http.ts";

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
      resolve(answerOf(status, received, chunks));
    });
    stream.end(body);
  });
}
