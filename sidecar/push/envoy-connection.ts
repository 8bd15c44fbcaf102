// The connections to one Envoy, and the secret that the Envoy accepts. Polls have a connection of their own: they take long, and a
// connection's polls come to the same worker, so each poll continues where the last one ended.
import { type buildConnector, Pool } from "undici";
import { POLL_HEADER, REPORT_HEADER, SECRET_HEADER } from "../../protocol/constants.ts";
import { READINGS_HEADER } from "../../protocol/readings/readings-constants.ts";
import type { Secrets } from "../credentials/secrets.ts";
import { type Answer, type Exchange, exchange } from "../http.ts";

/** Opens a connection. */
export type Connect = ReturnType<typeof buildConnector>;

interface EnvoyOptions {
  path: string;
  timeoutMs: number;
  secrets: Secrets;
  connect: Connect;
}

/** What a poll tells the filter (protocol/README.md, "Polls"). */
export interface Poll {
  ms: number;
  news: number;
  known: number;
  collector: number;
  envoys: number;
  /** What the poll asks about readings of pods, as the header says it; absent: nothing. */
  readings?: string;
}

/** What the rest of this folder needs of the connections to an Envoy. */
export interface EnvoyConnection {
  readonly origin: string;
  /** The secret that the Envoy accepted last, or the first secret to try. */
  readonly secret: string;
  /**
   * Pushes a snapshot or a traffic push. With a cursor, the response is a traffic report with the prefix updates since the cursor.
   * Rejects as exchange() in http.ts does.
   */
  push(body: Uint8Array, cursor?: string): Promise<Answer>;
  /** Asks for a traffic report. `poll`: the filter may wait for news, as long as the poll says. */
  report(cursor: string, poll?: Poll): Promise<Answer>;
  close(): Promise<void>;
}

/** A traffic report and readings of pods have at most a MiB each. */
const ANSWER_MAX_BYTES = 2 << 20;

export class Envoy implements EnvoyConnection {
  readonly origin: string;
  readonly #options: EnvoyOptions;
  readonly #pushes: Pool;
  readonly #reports: Pool;
  #worked: string | undefined;

  constructor(origin: string, options: EnvoyOptions) {
    this.origin = origin;
    this.#options = options;
    const connection = { connections: 1, pipelining: 1, connect: options.connect };
    this.#pushes = new Pool(origin, connection);
    this.#reports = new Pool(origin, connection);
  }

  get secret(): string {
    return this.#options.secrets.inTurn(this.#worked)[0] ?? "";
  }

  push(body: Uint8Array, cursor?: string): Promise<Answer> {
    const headers = { "content-type": "application/octet-stream", ...asking(cursor) };
    const { timeoutMs } = this.#options;
    return this.#ask(this.#pushes, { method: "POST", headers, body, timeoutMs });
  }

  report(cursor: string, poll?: Poll): Promise<Answer> {
    const headers = { ...asking(cursor), ...(poll && polling(poll)) };
    const timeoutMs = this.#options.timeoutMs + (poll?.ms ?? 0);
    return this.#ask(this.#reports, { method: "GET", headers, timeoutMs });
  }

  async close(): Promise<void> {
    await Promise.all([this.#pushes.destroy(), this.#reports.destroy()]);
  }

  async #ask(
    pool: Pool,
    { headers, ...request }: Pick<Exchange, "method" | "body" | "timeoutMs"> & { headers: Record<string, string> },
  ): Promise<Answer> {
    const { path, secrets } = this.#options;
    let refused: Answer | undefined;
    for (const secret of secrets.inTurn(this.#worked)) {
      const all = { ...headers, [SECRET_HEADER]: secret };
      const answer = await exchange(pool, { ...request, path, headers: all, maxBytes: ANSWER_MAX_BYTES });
      if (answer.status !== 401) {
        this.#worked = secret;
        return answer;
      }
      refused ??= answer;
    }
    return refused ?? { status: 401, body: Buffer.alloc(0) };
  }
}

function asking(cursor: string | undefined): Record<string, string> {
  return cursor === undefined ? {} : { [REPORT_HEADER]: cursor };
}

function polling({ ms, news, known, collector, envoys, readings }: Poll): Record<string, string> {
  const poll = { [POLL_HEADER]: [ms, news, known, collector, envoys].join(".") };
  return readings === undefined ? poll : { ...poll, [READINGS_HEADER]: readings };
}
