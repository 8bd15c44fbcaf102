// A model server that answers /metrics and /v1/models as a test says, and counts the requests.
import { createServer } from "node:http";
import { type Handler, type Listening, listen, text } from "./listen.ts";

export interface FakePod extends Listening {
  metrics: Handler;
  models: Handler;
  scrapes: number;
  modelReads: number;
  connections: number;
}

export const gauges = (waiting: number, running: number, kv = 0): Handler =>
  text(
    `vllm:num_requests_waiting{engine="0"} ${waiting}\nvllm:num_requests_running{engine="0"} ${running}\n` +
      `vllm:kv_cache_usage_perc{engine="0"} ${kv}\n`,
  );
export const modelList = (...models: Array<string | readonly [name: string, parent: string]>): Handler =>
  text(JSON.stringify({ data: models.map((m) => (typeof m === "string" ? { id: m } : { id: m[0], parent: m[1] })) }));

export async function startPod(port = 0): Promise<FakePod> {
  const server = createServer((request, response) => {
    if (request.url === "/metrics") {
      pod.scrapes++;
      pod.metrics(request, response);
    } else if (request.url?.includes("?name%5B%5D=")) {
      response.writeHead(404).end();
    } else {
      pod.modelReads++;
      pod.models(request, response);
    }
  });
  const counts = { scrapes: 0, modelReads: 0, connections: 0 };
  const pod: FakePod = { ...(await listen(server, port)), metrics: gauges(0, 0), models: modelList("m"), ...counts };
  server.on("connection", () => pod.connections++);
  return pod;
}
