// Finds Envoys: at given URLs, behind a DNS name, or in pods with a label. A source reports all its Envoys each time. An
// Envoy that a report leaves out is gone.
import type { Places } from "../config/push.ts";
import { dnsSource, type Resolve } from "../discover/dns.ts";
import { accessCluster } from "../kubernetes/api-client.ts";
import { RESOURCES } from "../kubernetes/translate/index.ts";
import { ResourceWatch, type WatchObserver, type WatchTimes } from "../kubernetes/watch.ts";
import type { Log } from "../log.ts";
import { podAddress } from "../pod.ts";

export interface EnvoySource {
  name: string;
  start(report: (origins: readonly string[]) => void): void;
  close(): void;
}

export interface FindParts {
  log: Log;
  failed: (source: string) => void;
  resolve: Resolve;
  random: () => number;
  watchTimes: WatchTimes;
  /** Opens a cluster. The sidecar passes accessCluster; a test passes a function of its own. */
  access?: typeof accessCluster;
}

export function envoySources({ targets, dns, kubernetes }: Places, parts: FindParts): EnvoySource[] {
  const given: EnvoySource = {
    name: "push.targets",
    start: (report) => report(targets.map(({ origin }) => origin)),
    close() {},
  };
  const named = dns.map(({ name, port, scheme, interval }): EnvoySource => {
    const source = dnsSource({ name, port, engine: "vllm", intervalMs: interval }, parts);
    return {
      name: source.name,
      start: (report) => source.start((found) => report(found.map(({ address }) => `${scheme}://${address}`))),
      close: () => source.close(),
    };
  });
  return [given, ...named, ...(kubernetes === undefined ? [] : [labelled(kubernetes, parts)])];
}

function labelled(options: NonNullable<Places["kubernetes"]>, parts: FindParts): EnvoySource {
  const { selector, port, scheme } = options;
  const { log, watchTimes: times, random } = parts;
  const name = `pods ${selector}`;
  let watch: ResourceWatch | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pending = false;
  let closed = false;

  const reportAll = (report: (origins: readonly string[]) => void): void => {
    pending = false;
    if (closed || watch?.answered !== true) return;
    const origins: string[] = [];
    for (const object of watch.objects) {
      // Pods that are not ready are Envoys too, since an Envoy needs a snapshot before its first request.
      if (object.kind === "pod" && object.ip !== null) origins.push(`${scheme}://${podAddress(object.ip, port)}`);
    }
    report(origins.sort());
  };
  const open = async (report: (origins: readonly string[]) => void): Promise<void> => {
    const observer: WatchObserver = {
      changed() {
        if (!pending) setImmediate(reportAll, report);
        pending = true;
      },
      broken: (object, lines) => log.warn({ source: name, object, problems: lines }, "object not understood"),
      failed(of, state, error) {
        parts.failed(name);
        log.warn({ source: name, watch: of, state, status: error.status, error: error.message }, "watch failed");
      },
      recovered: (of) => log.info({ source: name, watch: of }, "watch works again"),
    };
    try {
      const { client, namespace } = await (parts.access ?? accessCluster)(options);
      if (closed) return;
      const where = options.namespace === "*" ? null : (options.namespace ?? namespace);
      watch = new ResourceWatch(RESOURCES.pods, where, selector, { client, times, random, observer });
      watch.start();
    } catch (error) {
      if (closed) return;
      parts.failed(name);
      log.error({ source: name, error: (error as Error).message }, "no access to a cluster");
      timer = setTimeout(() => void open(report), times.retryMaxMs);
    }
  };
  return {
    name,
    start: (report) => void open(report),
    close() {
      closed = true;
      clearTimeout(timer);
      watch?.close();
    },
  };
}
