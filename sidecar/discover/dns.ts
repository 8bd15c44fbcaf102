// A name is resolved every interval; each address is a pod. getaddrinfo, not a DNS client of its own: it knows search
// domains, /etc/hosts and what else the machine was told, and answers A and AAAA in one call.
import { lookup } from "node:dns/promises";
import type { EngineName } from "../engines/index.ts";
import type { Log } from "../log.ts";
import { type PodAddress, podAddress } from "../pod.ts";
import type { Source } from "./pod-source.ts";

export interface DnsOptions {
  name: string;
  port: number;
  intervalMs: number;
  engine: EngineName;
  /** How its pods are spoken to; "http:" unless it says so. */
  protocol?: string;
  /** Only the first address: the name stands for one pod. */
  first?: boolean;
  place?: string | undefined;
}

export type Resolve = (name: string) => Promise<string[]>;

export const resolveSystem: Resolve = async (name) => {
  const found = await lookup(name, { all: true, order: "ipv4first" });
  return found.map(({ address }) => address);
};

/** "No such name" this often in a row is believed; a resolver that restarts says it too. */
const GONE_AFTER = 3;

export interface DnsParts {
  log: Log;
  failed: (source: string) => void;
  resolve?: Resolve;
}

export function dnsSource(options: DnsOptions, { log, failed, resolve = resolveSystem }: DnsParts): Source {
  const name = `dns:${options.name}:${options.port}`;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let state = "";
  let missing = 0;

  const say = (next: string, detail: object): void => {
    if (next === state) return;
    state = next;
    if (next === "resolved") log.info({ source: name, ...detail }, "name resolved");
    else log.warn({ source: name, ...detail }, "name not resolved: pods known from before are kept");
  };

  const round = async (report: (pods: readonly PodAddress[]) => void): Promise<void> => {
    try {
      const addresses = await resolve(options.name);
      if (closed) return;
      missing = 0;
      say("resolved", { addresses: addresses.length });
      report(podsAt(options.first === true ? addresses.slice(0, 1) : addresses, options));
    } catch (error) {
      if (closed) return;
      const { code, message } = error as { code?: string; message: string };
      failed(name);
      say(code ?? message, { error: message });
      // A failure to ask tells nothing of the pods. A name that is gone for good takes its pods with it.
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
  // A link-local address with a zone has no place in a snapshot.
  return addresses
    .filter((ip) => !ip.includes("%"))
    .map((ip) => {
      const address = podAddress(ip, port);
      return { address, origin: `${protocol}//${address}`, engine, ...(place !== undefined && { place }) };
    });
}
