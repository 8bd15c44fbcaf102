// The two halves of a run: one discovers and scrapes pods, the other makes and pushes snapshots.
import type { Config } from "../config/schema.ts";
import type { Secrets } from "../credentials/secrets.ts";
import { Directory } from "../discover/directory.ts";
import { sourcesOf } from "../discover/from-config.ts";
import { Fleet } from "../fleet.ts";
import { Neighbours } from "../peers/neighbours.ts";
import type { Pod } from "../pod.ts";
import { Envoys } from "../push/envoys.ts";
import { SnapshotSource } from "../snapshot/source.ts";
import { Changes } from "./changes.ts";
import type { Costs } from "./costs.ts";
import type { CredentialFiles } from "./credential-files.ts";
import { FirstPush } from "./first-push.ts";
import { Knowledge } from "./knowledge.ts";
import { EnvoyReports } from "./known-traffic.ts";
import type { RunParts } from "./run-parts.ts";
import { observerOf, scrapeOptions } from "./scrape-options.ts";
import { SeenObjects } from "./seen-objects.ts";

export interface Scraping {
  reports: EnvoyReports;
  seen: SeenObjects;
  neighbours: Neighbours;
  fleet: Fleet;
  directory: Directory;
  /** Notifies after each good scrape of this sidecar. */
  scrapes: Changes;
}

export interface Pushing {
  secrets: Secrets;
  snapshots: SnapshotSource;
  firstPush: FirstPush;
  envoys: Envoys;
}

/**
 * Makes the first half. It sends no request before `directory` and `neighbours` start. `changed` runs when the next snapshot
 * will differ.
 */
export function scrapeStage(
  config: Config,
  parts: RunParts,
  credentials: CredentialFiles,
  costs: Costs,
  changed: () => void,
): Scraping {
  const { log, clock, random, metrics } = parts;
  const { secrets, pods: access } = credentials;
  const failed = (source: string) => metrics.discoveryFailed(source);
  const sources = sourcesOf(config, { ...parts, failed });
  const seen = new SeenObjects(sources);
  const neighbours = new Neighbours(config, { secrets, clock, log, changed, failed: (peer) => failed(`peer:${peer}`) });
  const scrapes = new Changes();
  const observer = observerOf({
    metrics,
    log,
    measured(pod, seconds) {
      neighbours.scraped(pod, seconds);
      costs.scraped(pod, seconds);
      scrapes.notify();
    },
    received: (pod, seconds) => costs.scraped(pod, seconds),
    changed,
  });
  const reported = () => {
    seen.read();
    neighbours.reported(seen.all);
    changed();
  };
  const { concurrency, scheme } = config.scrape;
  const reports = new EnvoyReports();
  const scraperParts = {
    engines: config.engines,
    access,
    options: scrapeOptions(config),
    traffic: reports,
    learns: (pod: Pod) => costs.wantsScrapes(pod),
    clock,
    log,
    random,
    observer,
  };
  const fleet = new Fleet(
    { ...scraperParts, concurrency, scheme },
    {
      reported,
      vanished(address) {
        metrics.forget(address);
        costs.forget(address);
      },
    },
  );
  return { reports, seen, neighbours, fleet, directory: new Directory(sources, fleet), scrapes };
}

/** Makes the second half. It pushes nothing before `envoys` starts. */
export function pushStage(
  config: Config,
  parts: RunParts,
  credentials: CredentialFiles,
  scraping: Scraping,
  costs: Costs,
): Pushing {
  const { clock, source, memory, metrics } = parts;
  const { secrets, envoys: certificates } = credentials;
  const { reports, directory, fleet, neighbours, seen, scrapes } = scraping;
  const knowledge = new Knowledge({ directory, fleet, neighbours, clock }, config.scrape);
  const snapshots = new SnapshotSource({
    clock,
    source,
    fixed: config.models.static,
    pods: () => neighbours.withPeers(fleet.pods()),
    cluster: () => seen.objects && { objects: seen.objects, memory },
    world: () => neighbours.world(),
    costs,
    complete: () => knowledge.complete,
  });
  const firstPush = new FirstPush(knowledge);
  const envoys = new Envoys(config.push, {
    ...parts,
    snapshots,
    secrets,
    certificates,
    failed: (source) => metrics.discoveryFailed(source),
    readings: { pods: fleet, counted: (event, count) => metrics.shared(event, count) },
    counts: config.scrape.maxInterval > config.scrape.interval,
    ejected: () => fleet.hasten(),
    ...(costs.wantsReports && { measured: (instance, sums) => costs.reported(instance, sums) }),
    pushed(target, result, seconds, snapshot) {
      metrics.pushed(target, result, seconds, snapshot);
      firstPush.answered(result);
    },
  });
  scrapes.listen(() => envoys.scraped());
  reports.of(envoys);
  return { secrets, snapshots, firstPush, envoys };
}
