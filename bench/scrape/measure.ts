// Measures one window: the server's CPU, how late its chunks are, and how often it is scraped.
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds } from "../../testkit/cpu.ts";
import { quantile } from "../../testkit/statistics.ts";
import { type Plan, streamUrls } from "./contenders.ts";
import { MODEL, type StageOptions, startStage } from "./stage.ts";
import { monotonic, openStreams, type Streams } from "./streams.ts";

interface Late {
  p50: number;
  p99: number;
}

export interface Window extends Plan {
  seconds: number;
  /** Used CPU as a share of one core: of the server, and of everything that scrapes. */
  server: number;
  scrapers: number;
  wholePerSecond: number;
  restrictedPerSecond: number;
  /** Bytes of all pages a second. */
  bytesPerSecond: number;
  chunks: number;
  /** Ms from the time at which a chunk was due until the client had it, and until the server's loop sent it; null without streams. */
  arrived: Late | null;
  sent: Late | null;
}

interface MeasureOptions extends StageOptions {
  streams: number;
  seconds: number;
  warmSeconds: number;
}

/** Rejects if a stream fails. */
export async function measure(plan: Plan, options: MeasureOptions): Promise<Window> {
  const stage = await startStage(plan, options);
  let streams: Streams | undefined;
  try {
    const urls = streamUrls(plan.load, options.streams, stage.gateways, stage.serverUrl);
    streams = openStreams(urls, MODEL, options.everyMs);
    await sleep(options.warmSeconds * 1000);
    const read = async () => ({
      scrapes: await stage.scrapes(),
      at: monotonic(),
      server: cpuSeconds(stage.serverPid),
      scrapers: stage.scraperPids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    });
    streams.take();
    const from = await read();
    await sleep(options.seconds * 1000);
    const to = await read();
    const delays = streams.take().filter(({ due }) => due >= from.at && due <= to.at);
    await streams.stop();
    const seconds = (to.at - from.at) / 1e9;
    const rate = (of: (one: typeof from) => number) => (of(to) - of(from)) / seconds;
    return {
      ...plan,
      seconds,
      server: rate(({ server }) => server),
      scrapers: rate(({ scrapers }) => scrapers),
      wholePerSecond: rate(({ scrapes }) => scrapes.whole),
      restrictedPerSecond: rate(({ scrapes }) => scrapes.restricted),
      bytesPerSecond: rate(({ scrapes }) => scrapes.bytes),
      chunks: delays.length,
      arrived: late(delays.map(({ arrived }) => arrived)),
      sent: late(delays.map(({ sent }) => sent)),
    };
  } finally {
    // After an error streams may be open, and their own errors are of no interest.
    await streams?.stop().catch(() => {});
    await stage.close();
  }
}

function late(values: readonly number[]): Late | null {
  return values.length === 0 ? null : { p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
}
