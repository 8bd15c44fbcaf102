// What this VM does after a new snapshot. Each part of the filter that remembers something about endpoints, places or models
// takes over what the snapshot changed.
import { followObjectives } from "../admission/objectives";
import { followSince } from "../admission/since";
import { followAdapters } from "../endpoints/adapters";
import { followCaches } from "../endpoints/cache/prefix-index";
import { receiveUpdate } from "../endpoints/cache/prefix-updates";
import { followRefill, wantRefill } from "../endpoints/cache/refill";
import { followCosts } from "../endpoints/costs";
import { followUsable } from "../endpoints/health";
import { followPush, followRemote, followTopology } from "../endpoints/in-flight";
import { followPrefixes, isSilent } from "../endpoints/remote";
import { followScrapes, unseenWeight } from "../endpoints/unseen";
import { tickTime } from "../host/tick-time";
import { followPlaces } from "../places/learned";
import { current, receivedAt } from "../snapshot/current";
import { countEmptied } from "../workers/emptied";
import { receiveSnapshot } from "../workers/stored-snapshot";
import { receiveTraffic, receiveTrafficPrefixes } from "../workers/stored-traffic";
import { summary } from "../workers/summary";
import { followPlaceNames } from "./place-counters";

/** Whether the scrapes of the current snapshot are still to be followed. */
let newScrapes: bool = false;

/** Call after readSummary(). Takes over the snapshot that some worker of this Envoy stored since the last call, if there is one. */
export function followSnapshot(): void {
  if (!receiveSnapshot()) return;
  const view = current();
  followTopology(view);
  followRemote(view, receivedAt());
  followCosts(view);
  if (followCaches(view, unseenWeight())) {
    wantRefill(tickTime());
    countEmptied();
  }
  followAdapters(view);
  followUsable(view, tickTime());
  followPlaces(view, tickTime());
  followPlaceNames(view);
  followRefill(view, tickTime());
  followPrefixes(view);
  followObjectives(view);
  followSince(view, receivedAt());
  newScrapes = true;
}

/** Call after readSummary(). Takes over the traffic of other Envoys that a sidecar pushed since the last call. */
export function followTraffic(): void {
  const push = receiveTraffic();
  if (push !== null && !isSilent(summary().trafficReceived, tickTime())) followPush(push, summary().trafficReceived);
  const prefixes = receiveTrafficPrefixes();
  if (prefixes !== null) receiveUpdate(prefixes.pointer, prefixes.length);
}

/** Call on the tick and before a pick, when the other workers' counts were received: scrapes are compared with them. */
export function followNewScrapes(): void {
  if (newScrapes) followScrapes(current());
  newScrapes = false;
}
