// The connection to one Envoy, and the secret that the Envoy accepts.
import { type buildConnector, Pool } from "undici";
import { REPORT_HEADER, SECRET_HEADER } from "../../protocol/constants.ts";
import type { Secrets } from "../credentials/secrets.ts";
import { type Answer, exchange } from "../http.ts";

/** Opens a connection. */
export type Connect = ReturnType<typeof buildConnector>;

interface EnvoyOptions {
  path: string;
  timeoutMs: number;
  secrets: Secrets;
  connect: Connect;
}

const ANSWER_MAX_BYTES = 1 << 20;

export class Envoy {
  readonly origin: string;
  readonly #options: EnvoyOptions;
  readonly #pool: Pool;
  #worked: string | undefined;

  constructor(origin: string, options: EnvoyOptions) {
    this.origin = origin;
    this.#options = options;
    this.#pool = new Pool(origin, { connections: 1, pipelining: 1, connect: options.connect });
  }

  /** The secret that the Envoy accepted last, or the first secret to try. */
  get secret(): string {
    return this.#options.secrets.inTurn(this.#worked)[0] ?? "";
  }

  /**
   * Pushes a snapshot. With a cursor, the response is a traffic report with the prefix updates since the cursor. Rejects as
   * exchange() in http.ts does.
   */
  push(body: Uint8Array, cursor: string | undefined): Promise<Answer> {
    return this.#ask("POST", { "content-type": "application/octet-stream" }, body, cursor);
  }

  report(cursor: string): Promise<Answer> {
    return this.#ask("GET", {}, undefined, cursor);
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #ask(
    method: "GET" | "POST",
    more: Record<string, string>,
    body: Uint8Array | undefined,
    cursor: string | undefined,
  ): Promise<Answer> {
    const { path, timeoutMs, secrets } = this.#options;
    let refused: Answer | undefined;
    for (const secret of secrets.inTurn(this.#worked)) {
      const headers = { ...more, [SECRET_HEADER]: secret, ...(cursor !== undefined && { [REPORT_HEADER]: cursor }) };
      const request = { method, path, headers, timeoutMs, maxBytes: ANSWER_MAX_BYTES };
      const answer = await exchange(this.#pool, body === undefined ? request : { ...request, body });
      if (answer.status !== 401) {
        this.#worked = secret;
        return answer;
      }
      refused ??= answer;
    }
    return refused ?? { status: 401, body: Buffer.alloc(0) };
  }
}
