// Reads the chunks of a stream of testkit/vllm/metrics_server.py. The grammar of a stream:
//
//   event  = "data: " ( chunk | usage | "[DONE]" ) "\n\n"
//   chunk  = JSON object with `due` and `sent`: when the chunk was due, and when the server's event loop sent it. Both are ns of
//            CLOCK_MONOTONIC, the clock of process.hrtime.bigint().
//   usage  = JSON object without them

/** How late one chunk was, in ms. */
export interface Delay {
  /** When the chunk was due, ns of CLOCK_MONOTONIC. */
  due: number;
  /** Until the server's event loop sent the chunk. */
  sent: number;
  /** Until the client had the chunk. */
  arrived: number;
}

const PREFIX = "data: ";

/** Splits a stream into events, however the bytes arrive. */
export class ChunkReader {
  #rest = "";

  /** Returns the chunks that are complete with `bytes`, which arrived at `now` (ns of CLOCK_MONOTONIC). */
  read(bytes: string, now: number): Delay[] {
    const events = (this.#rest + bytes).split("\n\n");
    this.#rest = events.pop() ?? "";
    return events.flatMap((event) => delayOf(event, now) ?? []);
  }
}

function delayOf(event: string, now: number): Delay | undefined {
  if (!event.startsWith(`${PREFIX}{`)) return undefined;
  const { due, sent } = JSON.parse(event.slice(PREFIX.length)) as { due?: number; sent?: number };
  if (due === undefined || sent === undefined) return undefined;
  return { due, sent: (sent - due) / 1e6, arrived: (now - due) / 1e6 };
}
