// Sends requests without a pause during a change, over kept connections like real clients.

import http from "node:http";
import { JSON_TYPE, send } from "../../testkit/http.ts";

export interface LoadResult {
  sent: number;
  failures: string[];
}

interface LoadOptions {
  url: string;
  width: number;
  /** The body of request i, and which pods may answer it. */
  request(i: number): { body: object; servedBy: RegExp };
  headers?: Record<string, string>;
}

/** Sends requests until half a second after `action` has ended. */
export async function underLoad(options: LoadOptions, action: () => Promise<void>): Promise<LoadResult> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: options.width });
  const result: LoadResult = { sent: 0, failures: [] };
  let stopped = false;
  const client = async () => {
    while (!stopped) {
      const i = result.sent++;
      const { body, servedBy } = options.request(i);
      try {
        const headers = { ...JSON_TYPE, ...options.headers };
        const answer = await send(options.url, { agent, headers, body: JSON.stringify(body) });
        if (answer.status !== 200) result.failures.push(`${i}: ${answer.status} ${answer.text.slice(0, 200)}`);
        else if (!servedBy.test(answer.pod ?? "")) result.failures.push(`${i}: served by ${answer.pod}`);
      } catch (error) {
        result.failures.push(`${i}: ${(error as Error).message}`);
      }
      await new Promise((done) => setTimeout(done, 2));
    }
  };
  const clients = Array.from({ length: options.width }, client);
  try {
    await action();
    await new Promise((done) => setTimeout(done, 500));
  } finally {
    stopped = true;
    await Promise.all(clients);
    agent.destroy();
  }
  return result;
}
