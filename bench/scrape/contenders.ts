// What scrapes the server in a window of the bench, and what else the clients do.

export const CONTENDERS = ["none", "before", "now", "epp"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export const TITLES: Readonly<Record<ContenderName, string>> = {
  none: "no scraping",
  before: "Pilotfish of --before, its defaults, a sidecar beside each gateway",
  now: "Pilotfish, its defaults, a sidecar beside each gateway",
  epp: "endpoint picker 1.5.0, its default interval of 50 ms, one for all gateways",
};

export const LOADS = ["idle", "own", "unseen"] as const;
export type LoadName = (typeof LOADS)[number];

export const LOAD_TITLES: Readonly<Record<LoadName, string>> = {
  idle: "no requests",
  own: "all streams come through the gateways",
  unseen: "half of the streams come past the gateways",
};

/** What is measured in one window. */
export interface Plan {
  contender: ContenderName;
  load: LoadName;
  gateways: number;
}

/** The URLs of the streams: gateways in turn, or the server itself. */
export function streamUrls(load: LoadName, streams: number, gateways: readonly string[], server: string): string[] {
  if (load === "idle") return [];
  return Array.from({ length: streams }, (_, i) => {
    if (load === "unseen" && i % 2 === 1) return server;
    const turn = load === "unseen" ? i >> 1 : i;
    return gateways[turn % gateways.length] as string;
  });
}
