import { isIP } from "node:net";
import type { Config } from "../config/schema.ts";
import { type PodAddress, podAddress } from "../pod.ts";
import { type DnsParts, dnsSource } from "./dns.ts";
import { kubernetesSource } from "./kubernetes.ts";
import { accessCluster } from "./kubernetes-client.ts";
import type { WatchTimes } from "./kubernetes-watch.ts";
import { manifestsSource } from "./manifests.ts";
import type { Source } from "./source.ts";
import { staticSource } from "./static.ts";

/** How often the name in a static URL is resolved. */
const NAMED_ENDPOINT_INTERVAL_MS = 5000;

export interface SourceParts extends DnsParts {
  random: () => number;
  watchTimes: WatchTimes;
}

/** Addresses are static; a name in a URL is resolved like one under `dns`, but stands for one pod. */
export function sourcesOf(config: Config, parts: SourceParts): Source[] {
  const fixed: PodAddress[] = [];
  const named: Source[] = [];
  for (const { url, engine } of config.endpoints) {
    const { protocol } = new URL(url.origin);
    if (isIP(url.host) !== 0) {
      const address = podAddress(url.host, url.port);
      fixed.push({ address, origin: `${protocol}//${address}`, engine });
    } else {
      const { host: name, port } = url;
      const options = { name, port, engine, intervalMs: NAMED_ENDPOINT_INTERVAL_MS, first: true, protocol };
      named.push(dnsSource(options, parts));
    }
  }
  const names = config.dns.map(({ name, port, interval, engine }) =>
    dnsSource({ name, port, engine, intervalMs: interval, protocol: `${config.scrape.scheme}:` }, parts),
  );
  return [staticSource(fixed), ...named, ...names, ...clusters(config, parts)];
}

function clusters(
  { kubernetes, manifests, engines }: Config,
  { log, failed, random, watchTimes: times }: SourceParts,
): Source[] {
  const sources: Source[] = [];
  if (kubernetes !== undefined) {
    sources.push(
      kubernetesSource(
        { ...kubernetes, engines, times },
        { log, failed, random, access: () => accessCluster(kubernetes) },
      ),
    );
  }
  if (manifests !== undefined) {
    sources.push(manifestsSource({ ...manifests, engines, services: manifests.services ?? "all" }, { log, failed }));
  }
  return sources;
}
