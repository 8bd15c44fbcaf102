// Pods from manifests in a folder, without a cluster. The .yaml, .yml and .json files of the folder are read, but no folders
// inside. The folder is watched, and scanned every RESCAN_MS too, since some file systems do not report changes.
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ClusterObject, type ClusterSeen, titleOf } from "../kubernetes/cluster-objects.ts";
import { type ManifestFile, readManifests } from "../kubernetes/manifest-file.ts";
import type { Log } from "../log.ts";
import { ClusterReporter } from "./cluster-reporter.ts";
import type { PodSource, ReportPods } from "./pod-source.ts";
import type { Selection } from "./selection.ts";

interface ManifestsOptions extends Selection {
  directory: string;
  /** Milliseconds between two scans without a reported change. */
  rescanMs?: number;
}

interface ManifestsParts {
  log: Log;
  failed: (source: string) => void;
}

const NAME = "manifests";
const RESCAN_MS = 2000;
/** Editors and copies write a file in several steps: a scan waits this long after a change. */
const SETTLE_MS = 30;
const MAX_FILE_BYTES = 64 << 20;
/** Hidden files are left out: editors and mounted ConfigMaps keep files of their own under such names. */
const FILE_NAME = /^[^.].*\.(ya?ml|json)$/;

interface KnownFile {
  /** Size, time of change and inode, or the last error. A file whose stamp differs is read again. */
  stamp: string;
  objects: ReadonlyMap<string, ClusterObject>;
}

export class ManifestsSource implements PodSource {
  readonly name = NAME;
  readonly #directory: string;
  readonly #rescanMs: number;
  readonly #parts: ManifestsParts;
  readonly #reporter: ClusterReporter;
  #files: ReadonlyMap<string, KnownFile> = new Map();
  /** The state of the folder: "read", or the last error. */
  #state = "";
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #scanning = false;
  /** Whether a file changed during the scan, so that another scan follows. */
  #again = false;
  #closed = false;

  constructor(options: ManifestsOptions, parts: ManifestsParts) {
    this.#directory = options.directory;
    this.#rescanMs = options.rescanMs ?? RESCAN_MS;
    this.#parts = parts;
    this.#reporter = new ClusterReporter(NAME, options, parts.log);
  }

  start(report: ReportPods): void {
    void this.#round(report);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  seen(): ClusterSeen {
    const watches = [...this.#files].map(([of, { objects }]) => ({ of, state: "read", objects: objects.size }));
    return this.#reporter.seen(this.#objects(), watches);
  }

  /** Returns all objects. Of an object in two files, the version in the file with the later name counts. */
  #objects(): Iterable<ClusterObject> {
    const all = new Map<string, ClusterObject>();
    for (const file of this.#files.values()) for (const [identity, object] of file.objects) all.set(identity, object);
    return all.values();
  }

  async #round(report: ReportPods): Promise<void> {
    if (this.#scanning) {
      this.#again = true;
      return;
    }
    this.#scanning = true;
    clearTimeout(this.#timer);
    try {
      this.#again = false;
      this.#files = await this.#scan();
      if (this.#closed) return;
      this.#setState("read", { files: this.#files.size });
      this.#watch(report);
      this.#reporter.update(this.#objects(), report);
    } catch (error) {
      if (this.#closed) return;
      this.#parts.failed(NAME);
      this.#unwatch();
      this.#setState((error as Error).message, { error: (error as Error).message });
    } finally {
      this.#scanning = false;
    }
    if (!this.#closed) this.#roundIn(this.#again ? SETTLE_MS : this.#rescanMs, report);
  }

  #roundIn(ms: number, report: ReportPods): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#round(report), ms);
  }

  /** Logs each change of state once. */
  #setState(next: string, detail: object): void {
    if (next === this.#state) return;
    this.#state = next;
    const where = { source: NAME, directory: this.#directory, ...detail };
    if (next === "read") this.#parts.log.info(where, "reading manifests");
    else this.#parts.log.warn(where, "folder of manifests not read: its last objects stay in use");
  }

  async #scan(): Promise<Map<string, KnownFile>> {
    const names = (await readdir(this.#directory)).filter((name) => FILE_NAME.test(name)).sort();
    const files = new Map<string, KnownFile>();
    for (const name of names) {
      const known = this.#files.get(name);
      try {
        const file = await this.#read(name, known);
        if (file !== undefined) files.set(name, file);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // The file was removed since readdir().
        if (code === "ENOENT") continue;
        if (known?.stamp !== message) {
          this.#parts.log.warn(
            { source: NAME, file: name, problem: message },
            "manifest not read: its last objects stay in use",
          );
        }
        files.set(name, { stamp: message, objects: known?.objects ?? new Map() });
      }
    }
    return files;
  }

  /** Reads a file; undefined: `name` is not a file. */
  async #read(name: string, known: KnownFile | undefined): Promise<KnownFile | undefined> {
    const { log } = this.#parts;
    const path = join(this.#directory, name);
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    const stamp = `${status.size} ${status.ctimeMs} ${status.ino}`;
    if (known?.stamp === stamp) return known;
    if (status.size > MAX_FILE_BYTES) {
      const problem = `${status.size} bytes, expected at most ${MAX_FILE_BYTES}`;
      log.warn({ source: NAME, file: name, problem }, "manifest not read: its last objects stay in use");
      return { stamp, objects: known?.objects ?? new Map() };
    }
    const read = readManifests(await readFile(path, "utf8"), name.endsWith(".json"));
    for (const problem of read.problems) {
      log.warn({ source: NAME, file: name, problem }, "manifest not understood: the other objects are used");
    }
    for (const unused of read.unused) log.info({ source: NAME, file: name, unused }, "manifest skipped: not used");
    if (read.problems.length > 0) this.#parts.failed(NAME);
    return { stamp, objects: withLastGood(read, known) };
  }

  #watch(report: ReportPods): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#directory, () => {
        if (this.#closed) return;
        this.#again = true;
        if (!this.#scanning) this.#roundIn(SETTLE_MS, report);
      });
      this.#watcher.on("error", () => this.#unwatch());
    } catch {
      // The system has no watch left, or the file system does not support watches. Scans go on every rescanMs.
      this.#watcher = undefined;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

/** Returns the file's objects. An object with a mistake keeps its last good state. */
function withLastGood(read: ManifestFile, known: KnownFile | undefined): Map<string, ClusterObject> {
  const objects = new Map(read.objects);
  for (const [identity, object] of known?.objects ?? []) {
    if (objects.has(identity)) continue;
    if (read.torn || read.kept.includes(titleOf(object))) objects.set(identity, object);
  }
  return objects;
}
