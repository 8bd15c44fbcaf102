// `make run` and `npm start`: pods, sidecar and Envoy on this machine, until Ctrl-C. Exit codes: 0 ended by signal or
// --once, 1 something did not start or Envoy ended, 2 wrong options.
import { randomBytes } from "node:crypto";
import { access } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../binary.ts";
import { leaveSignalsAlone } from "../process.ts";
import { builtModule } from "./built-module.ts";
import { checkPort, type LocalEnvoy, lastComplaints, startLocalEnvoy } from "./envoy.ts";
import { type RunFolder, shown, takeFolder } from "./folder.ts";
import { curl, type Line, load, partLines } from "./greeting.ts";
import { CommanderError, type LocalOptions, parseOptions } from "./options.ts";
import { type Part, startPart } from "./parts.ts";
import { askPod, baseModels, type LocalPod, poolsOf, SIMULATED } from "./pods.ts";
import { RunError } from "./run-error.ts";
import { Screen } from "./screen.ts";
import { showLoad } from "./show.ts";
import { Watch } from "./watch.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SNAPSHOT_WAIT_MS = 15_000;

class Run {
  readonly #options: LocalOptions;
  readonly #screen = new Screen(process.stdout);
  readonly #ending = new AbortController();
  readonly #stops: (() => Promise<void>)[] = [];
  #folder: RunFolder | undefined;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  /** Ends the run; safe to call at any time, and more than once. */
  end(): void {
    this.#ending.abort();
  }

  /** Runs until it is ended. Throws if something fails. Stops everything that was started in both cases. */
  async whole(): Promise<void> {
    const aborted = new Promise<void>((done) => this.#ending.signal.addEventListener("abort", () => done()));
    let failed = true;
    try {
      await Promise.race([this.#work(), aborted]);
      failed = false;
    } finally {
      this.end();
      this.#screen.end();
      // Stops in reverse order, so that nothing scrapes or pushes to a stopped part.
      for (const stop of this.#stops.reverse()) await stop();
      await this.#folder?.release(failed);
    }
  }

  async #work(): Promise<void> {
    const began = Date.now();
    const { port, workers, envoyVersion } = this.#options;
    const say = (line: string) => this.#screen.say(line);
    await checkPort(port);
    const wasm = await this.#module(say);
    const found = await findEnvoy({ progress: say, ...(envoyVersion ? { version: envoyVersion } : {}) });
    const folder = await takeFolder(join(ROOT, "build"));
    this.#folder = folder;
    say(this.#options.pods.length > 0 ? "asking the pods for their models ..." : "starting three simulated pods ...");
    const { pods, parts } = await this.#pods(folder);

    const secret = randomBytes(24).toString("base64url");
    say(`starting Envoy ${found.version} (${found.from}) and the sidecar ...`);
    const envoy = await startLocalEnvoy({
      found,
      wasm,
      secret,
      pools: poolsOf(pods),
      port,
      workers,
      folder,
      started: (running) => void this.#stops.push(() => running.stop(2000)),
    });
    const config = {
      endpoints: pods.map(({ address }) => `http://${address}`),
      push: { targets: [envoy.url], secret },
      listen: "127.0.0.1:0",
    };
    const sidecar = await this.#part("sidecar", folder.file("sidecar.log"), { kind: "sidecar", config });
    const watch = new Watch(envoy, secret);
    this.#stops.push(() => watch.close());
    await this.#firstSnapshot(watch, sidecar, envoy);

    this.#greet(found.version, envoy, sidecar, pods, parts);
    say(`Ready in ${((Date.now() - began) / 1000).toFixed(1)} s. Ctrl-C ends all of it.`);
    if (this.#options.once) return;
    for (const part of [...parts, sidecar]) void part.ended.then((how) => this.#lost(part, how));
    const gone = envoy.running.exited.then((how) => {
      if (this.#ending.signal.aborted) return;
      throw new RunError(`Envoy ended (${how})`, `Its whole log: ${shown(envoy.log)}`, lastComplaints(envoy.running));
    });
    if (this.#options.table) await Promise.race([showLoad(this.#screen, watch, pods, this.#ending.signal), gone]);
    else await gone;
  }

  async #module(say: (line: string) => void): Promise<string> {
    const { wasm } = this.#options;
    if (wasm === undefined) return builtModule(ROOT, say);
    const file = resolve(wasm);
    await access(file).catch(() => {
      throw new RunError(`--wasm ${wasm}: there is no such file`);
    });
    return file;
  }

  async #pods(folder: RunFolder): Promise<{ pods: LocalPod[]; parts: Part[] }> {
    const real = new Map(this.#options.pods.map((origin) => [`${origin.host}:${origin.port}`, origin]));
    if (real.size > 0) {
      const pods = await Promise.all([...real].map(([name, origin]) => askPod(name, origin)));
      return { pods: [...new Map(pods.map((pod) => [pod.address, pod])).values()], parts: [] };
    }
    const parts = await Promise.all(
      SIMULATED.map((options) =>
        this.#part(options.name, folder.file(`${options.name}.log`), { kind: "pod", options }),
      ),
    );
    const pods = await Promise.all(
      parts.map(({ name, url }) => askPod(name, { origin: url, host: "127.0.0.1", port: Number(new URL(url).port) })),
    );
    return { pods, parts };
  }

  async #part(...order: Parameters<typeof startPart>): Promise<Part> {
    const part = await startPart(...order);
    this.#stops.push(part.stop);
    return part;
  }

  /** Waits until the filter has a snapshot with a ready pod. */
  async #firstSnapshot(watch: Watch, sidecar: Part, envoy: LocalEnvoy): Promise<void> {
    const until = Date.now() + SNAPSHOT_WAIT_MS;
    while (!this.#ending.signal.aborted) {
      const snapshot = await watch.snapshot();
      if (snapshot?.endpoints.some(({ ready }) => ready)) return;
      if (Date.now() > until) {
        const said = await fetch(`${sidecar.url}/readyz`).then(
          (response) => response.text(),
          (error: Error) => error.message,
        );
        const what = snapshot ? "no pod is ready" : "the filter got no snapshot";
        const hint = `The sidecar says: ${said.trim()} (log: ${shown(sidecar.log)})`;
        throw new RunError(`${what} within ${SNAPSHOT_WAIT_MS / 1000} s`, hint, lastComplaints(envoy.running));
      }
      await sleep(20);
    }
  }

  #greet(version: string, envoy: LocalEnvoy, sidecar: Part, pods: readonly LocalPod[], parts: readonly Part[]): void {
    const say = (line: string) => this.#screen.say(line);
    const lines: Line[] = [
      { what: `Envoy ${version}`, url: envoy.url, pid: envoy.running.pid, log: envoy.log },
      { what: "  admin", url: envoy.admin },
      { what: "  access log", log: envoy.accessLog },
      { what: "sidecar", url: sidecar.url, pid: sidecar.pid, log: sidecar.log },
      ...pods.map(({ name, address, models }) => {
        const part = parts.find((one) => one.name === name);
        const note = models.map((model) => model.name).join(", ");
        const line: Line = { what: name, url: `http://${address}`, note };
        return part ? { ...line, pid: part.pid, log: part.log } : line;
      }),
    ];
    say("");
    for (const line of partLines(lines)) say(line);
    const models = baseModels(pods);
    say("\nTry it in another terminal; x-inference-pod names the pod that answered:\n");
    for (const model of models.slice(0, 2)) say(`  ${curl(envoy.url, model)}\n`);
    say(`A model that nobody serves (404):\n\n  ${curl(envoy.url, "nobody")}\n`);
    if (models[0] !== undefined) say(`Some load, to see it spread:\n\n  ${load(envoy.url, models[0])}\n`);
  }

  #lost(part: Part, how: string): void {
    if (this.#ending.signal.aborted) return;
    const next =
      part.name === "sidecar"
        ? "the snapshot goes stale, and Envoy balances by itself from then on"
        : "no more requests go there";
    this.#screen.say(`${part.name} ended (${how}): ${next}`);
  }
}

async function main(): Promise<void> {
  const run = new Run(parseOptions(process.argv.slice(2)));
  leaveSignalsAlone();
  // A terminal, npm and tsx each forward the same Ctrl-C. The first one ends the run, and the others do nothing.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => run.end());
  await run.whole();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
    const text = error instanceof RunError ? error.describe() : error instanceof Error ? error.message : String(error);
    process.stderr.write(`make run: ${text}\n`);
    process.exit(1);
  },
);
