// Makes the pod sources that a configuration names.
import { isIP } from "node:net";
import type { Config } from "../config/schema.ts";
import { accessCluster } from "../kubernetes/api-client.ts";
import type { WatchTimes } from "../kubernetes/watch.ts";
import { type PodAddress, podAddress } from "../pod.ts";
import { type DnsParts, dnsSource } from "./dns.ts";
import { KubernetesSource } from "./kubernetes.ts";
import { ManifestsSource } from "./manifests.ts";
import type { PodSource } from "./pod-source.ts";
import { staticSource } from "./static.ts";

/** How often the host name of a URL under `endpoints` is resolved. */
const NAMED_ENDPOINT_INTERVAL_MS = 5000;

interface SourceParts extends DnsParts {
  random: () => number;
  watchTimes: WatchTimes;
}

/**
 * Returns the pod sources. A URL with an address is a static pod. A host name in a URL is resolved as under `dns`, but is one
 * pod.
 */
export function sourcesOf(config: Config, parts: SourceParts): PodSource[] {
  const fixed: PodAddress[] = [];
  const named: PodSource[] = [];
  for (const { url, engine, place } of config.endpoints) {
    const { protocol } = new URL(url.origin);
    if (isIP(url.host) !== 0) {
      const address = podAddress(url.host, url.port);
      fixed.push({ address, origin: `${protocol}//${address}`, engine, ...(place !== undefined && { place }) });
    } else {
      const { host: name, port } = url;
      const options = { name, port, engine, intervalMs: NAMED_ENDPOINT_INTERVAL_MS, first: true, protocol, place };
      named.push(dnsSource(options, parts));
    }
  }
  const names = config.dns.map(({ name, port, interval, engine }) =>
    dnsSource({ name, port, engine, intervalMs: interval, protocol: `${config.scrape.scheme}:` }, parts),
  );
  return [staticSource(fixed), ...named, ...names, ...clusters(config, parts)];
}

function clusters(
  { kubernetes, clusters: further, manifests, engines }: Config,
  { log, failed, random, watchTimes: times }: SourceParts,
): PodSource[] {
  const sources: PodSource[] = [];
  const all = [...(kubernetes === undefined ? [] : [kubernetes]), ...further];
  for (const [i, cluster] of all.entries()) {
    const name = i === 0 ? "kubernetes" : `kubernetes:${cluster.place ?? cluster.context ?? i}`;
    const options = { ...cluster, engines, times, name };
    sources.push(new KubernetesSource(options, { log, failed, random, access: () => accessCluster(cluster) }));
  }
  if (manifests !== undefined) {
    sources.push(
      new ManifestsSource({ ...manifests, engines, services: manifests.services ?? "all" }, { log, failed }),
    );
  }
  return sources;
}
