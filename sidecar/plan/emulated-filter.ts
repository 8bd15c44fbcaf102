// Runs the filter on one worker in the emulator. The module is the one that Envoy runs, so a plan shows what Envoy would do.
import { randomBytes } from "node:crypto";
import { ConfigurationRefused, type HeaderMap, Process, type Root, Stream } from "../../emulator/index.ts";
import { SECRET_ENV, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { SnapshotView } from "../../protocol/snapshot.ts";

export interface PlannedRequest {
  headers: ReadonlyArray<readonly [string, string]>;
  path: string;
  body: string;
}

export interface Decision {
  /** The headers of the request as it left the filter; undefined: the filter sent a local reply, or holds the request. */
  headers: HeaderMap | undefined;
  /** The filter's local reply. */
  reply: { status: number; body: string } | undefined;
  /** The filter state that the filter wrote, such as pilotfish.reason. */
  state: ReadonlyMap<string, string>;
}

const SECRET = "plan-secret-0123456789";
/** The buffer limit of the emulated Envoy. It is larger than any body that the filter reads. */
const BUFFER_BYTES = 64 * 1024 * 1024;
const TICK_MS = 20;

export class PlanFilter {
  readonly #process: Process;
  readonly #root: Root;

  /** Throws an Error with the filter's message if the filter refuses the configuration. */
  constructor(module: WebAssembly.Module, configuration: string) {
    const now = BigInt(Date.now()) * 1_000_000n;
    // The process is lenient, because a module of another release may use calls that this emulator lacks.
    this.#process = new Process({ now, random: randomBytes, strict: false });
    const environment = { [SECRET_ENV]: SECRET };
    try {
      this.#root = this.#process.startRoot(module, { environment, configuration, allowOnHeadersStopIteration: true });
    } catch (error) {
      if (!(error instanceof ConfigurationRefused)) throw error;
      throw new Error(error.logs.at(-1)?.text ?? "the filter refuses the configuration", { cause: error });
    }
  }

  /** Pushes a snapshot. Its version is this filter's clock. Throws if the filter refuses the snapshot. */
  push(view: SnapshotView): void {
    const body = encodeSnapshot({ ...view, version: this.#process.now / 1000n });
    const { reply } = this.#send({ path: SNAPSHOT_PATH, headers: [[SECRET_HEADER, SECRET]], body });
    if (reply?.status !== 200) throw new Error(`the filter refuses the snapshot: ${reply?.body ?? "no response"}`);
    this.#process.advance(TICK_MS);
  }

  /** Sends a request. Requests come a tick apart and end at once, so no request is counted when the next one is picked. */
  decide({ headers, path, body }: PlannedRequest): Decision {
    this.#process.advance(TICK_MS);
    return this.#send({ path, headers: [["content-type", "application/json"], ...headers], body });
  }

  #send(request: { path: string; headers: Array<readonly [string, string]>; body: string | Uint8Array }): Decision {
    const stream = new Stream(this.#root, { bufferLimit: BUFFER_BYTES });
    const {
      requestHeaders: headers,
      localResponse,
      filterState: state,
    } = stream.send({ authority: "plan", ...request });
    stream.abort();
    const reply = localResponse && { status: localResponse.status, body: localResponse.body.toString("utf8") };
    return { headers, reply, state };
  }
}
