// Pods by name: the name is resolved every interval, and each address is a pod. getaddrinfo resolves, since it knows
// search domains and /etc/hosts, and returns A and AAAA records in one call.
import { lookup } from "node:dns/promises";
import type { EngineName } from "../engines/index.ts";
import type { Log } from "../log.ts";
import { type PodAddress, podAddress } from "../pod.ts";
import type { PodSource, ReportPods } from "./pod-source.ts";

interface DnsOptions {
  name: string;
  port: number;
  intervalMs: number;
  engine: EngineName;
  /** The URL scheme of the pods. Default: "http:". */
  protocol?: string;
  /** Whether the name stands for one pod: then only its first address counts. */
  first?: boolean;
  place?: string | undefined;
}

export type Resolve = (name: string) => Promise<string[]>;

export const resolveSystem: Resolve = async (name) => {
  const found = await lookup(name, { all: true, order: "ipv4first" });
  return found.map(({ address }) => address);
};

/** Number of ENOTFOUND in a row that removes the pods. A resolver that restarts may return ENOTFOUND a few times. */
const GONE_AFTER = 3;

export interface DnsParts {
  log: Log;
  failed: (source: string) => void;
  resolve?: Resolve;
}

export function dnsSource(options: DnsOptions, { log, failed, resolve = resolveSystem }: DnsParts): PodSource {
  const name = `dns:${options.name}:${options.port}`;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let state = "";
  let missing = 0;

  const setState = (next: string, detail: object): void => {
    if (next === state) return;
    state = next;
    if (next === "resolved") log.info({ source: name, ...detail }, "name resolved");
    else log.warn({ source: name, ...detail }, "name not resolved: its last pods stay in use");
  };

  const round = async (report: ReportPods): Promise<void> => {
    try {
      const addresses = await resolve(options.name);
      if (closed) return;
      missing = 0;
      setState("resolved", { addresses: addresses.length });
      report(podsAt(options.first === true ? addresses.slice(0, 1) : addresses, options));
    } catch (error) {
      if (closed) return;
      const { code, message } = error as { code?: string; message: string };
      failed(name);
      setState(code ?? message, { error: message });
      // Other errors say nothing about the pods, so the pods stay.
      missing = code === "ENOTFOUND" ? missing + 1 : 0;
      if (missing === GONE_AFTER) report([]);
    }
    timer = setTimeout(() => void round(report), options.intervalMs);
  };

  return {
    name,
    start: (report) => void round(report),
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

function podsAt(addresses: readonly string[], { port, engine, protocol = "http:", place }: DnsOptions): PodAddress[] {
  // A snapshot cannot carry a link-local address with a zone.
  return addresses
    .filter((ip) => !ip.includes("%"))
    .map((ip) => {
      const address = podAddress(ip, port);
      return { address, origin: `${protocol}//${address}`, engine, ...(place !== undefined && { place }) };
    });
}
