// Regions on one machine. Each has pods, a sidecar and an Envoy, and reaches the others through a slow network (distance.ts).
import { parseConfig } from "../../sidecar/config/load.ts";
import { type Sidecar, startSidecar } from "../../sidecar/sidecar.ts";
import type { PodParams } from "../../simulator/params.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { SECRET, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { envoyPorts, freePorts } from "../../testkit/ports.ts";
import { type FarView, farView, Relay } from "./distance.ts";

interface RegionsOptions {
  names: readonly string[];
  podsEach: number;
  roundTripMs: number;
  params: Partial<PodParams>;
  /** The part of the configuration that all sidecars share. */
  policies: readonly object[];
}

class Region {
  readonly name: string;
  pods: Pod[] = [];
  sidecar: Sidecar | undefined;
  envoy: TestEnvoy | undefined;
  /** The relays of all other regions to this region. */
  readonly relays: Relay[] = [];
  #ports: number[] = [];

  constructor(name: string) {
    this.name = name;
  }

  async startPods(count: number, params: Partial<PodParams>): Promise<void> {
    if (this.#ports.length === 0) this.#ports = await freePorts(count);
    const options = (i: number) => ({ name: `${this.name}-${i}`, models: [{ id: "m" }], params });
    this.pods = await Promise.all(
      Array.from({ length: count }, (_, i) => startPod({ ...options(i), port: this.#ports[i] as number })),
    );
  }

  /** Mean KV-cache usage of the region's pods, and their requests. */
  get utilization(): number {
    return this.pods.reduce((sum, pod) => sum + pod.engine.cache.usage, 0) / this.pods.length;
  }

  held(): number[] {
    return this.pods.map(({ engine }) => engine.runningNow + engine.waitingNow);
  }

  get received(): number {
    return this.pods.reduce((sum, { engine }) => sum + engine.stats.received, 0);
  }
}

export class Regions {
  readonly all: Region[];
  readonly #options: RegionsOptions;
  /** The relay of each pod, by the region from which it leads and the region to which it leads. */
  readonly #ways = new Map<string, Map<string, Relay>>();
  readonly #views: FarView[] = [];

  private constructor(options: RegionsOptions) {
    this.#options = options;
    this.all = options.names.map((name) => new Region(name));
  }

  static async start(options: RegionsOptions): Promise<Regions> {
    const regions = new Regions(options);
    try {
      await regions.#start();
    } catch (error) {
      await regions.close();
      throw error;
    }
    return regions;
  }

  of(name: string): Region {
    const found = this.all.find((region) => region.name === name);
    if (found === undefined) throw new Error(`no region ${name}`);
    return found;
  }

  async #start(): Promise<void> {
    const { podsEach, params, roundTripMs } = this.#options;
    for (const region of this.all) await region.startPods(podsEach, params);
    for (const from of this.all) {
      for (const to of this.all.filter((other) => other !== from)) {
        const ways = new Map<string, Relay>();
        for (const { port, address } of to.pods) {
          const relay = new Relay(() => ({ host: "127.0.0.1", port }), roundTripMs);
          await relay.open();
          to.relays.push(relay);
          ways.set(address, relay);
        }
        this.#ways.set(`${from.name} ${to.name}`, ways);
      }
    }
    for (const region of this.all) {
      const far = this.all.flatMap((to) => [...(this.#ways.get(`${region.name} ${to.name}`)?.values() ?? [])]);
      const endpoints = [...region.pods, ...far].map(({ address }) => address);
      const pools = [{ name: "m", models: ["m"], endpoints }];
      region.envoy = await startGateway({ ...(await envoyPorts()), pools, filter: {} });
    }
    for (const region of this.all) await this.startSidecar(region);
  }

  async startSidecar(region: Region, policies = this.#options.policies): Promise<void> {
    const { roundTripMs } = this.#options;
    const others = this.all.filter((other) => other !== region);
    const views = await Promise.all(
      others.map((to) => {
        const ways = this.#ways.get(`${region.name} ${to.name}`) as Map<string, Relay>;
        return farView(() => to.sidecar?.url, ways, roundTripMs);
      }),
    );
    this.#views.push(...views);
    region.sidecar = await startSidecar(parseConfig(this.configOf(region, views, policies), {}));
  }

  configOf(region: Region, views: readonly FarView[], policies: readonly object[]): object {
    return {
      endpoints: region.pods.map(({ url }) => url),
      places: {
        here: region.name,
        export: ["*"],
        // The other regions follow in their order.
        list: this.all.map(({ name }, i) => ({ name, order: name === region.name ? 0 : 1 + i })),
      },
      policies,
      // `staleAfter` is longer than any pause of a busy machine, so a pause alone makes no view stale.
      peers: views.map(({ url }) => ({ url, staleAfter: "3s", interval: "100ms" })),
      push: { targets: [region.envoy?.url], secret: SECRET },
      listen: "127.0.0.1:0",
      log: { level: "silent" },
    };
  }

  /** Ends everything of a region at once. */
  async kill(region: Region): Promise<void> {
    const { sidecar } = region;
    region.sidecar = undefined;
    await Promise.all([...region.relays.map((relay) => relay.cut()), ...region.pods.map((pod) => pod.close())]);
    await region.envoy?.kill();
    await sidecar?.close();
  }

  /** Starts the same pods again, empty, on the same addresses. */
  async revive(region: Region): Promise<void> {
    await region.envoy?.start();
    await region.startPods(this.#options.podsEach, this.#options.params);
    for (const relay of region.relays) await relay.open();
    await this.startSidecar(region);
  }

  async close(): Promise<void> {
    for (const { sidecar, envoy, relays, pods } of this.all) {
      await sidecar?.close();
      await envoy?.close();
      await Promise.all([...relays.map((relay) => relay.cut()), ...pods.map((pod) => pod.close())]);
    }
    await Promise.all(this.#views.map((view) => view.close()));
  }
}
