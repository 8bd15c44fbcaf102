// Pods by manifests in a folder, without a cluster: the files of it (not of folders within) that end in .yaml, .yml or
// .json. Watched, and read through now and then as well, since not every file system tells of changes.
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type ClusterObject, type ClusterSeen, saidOf, titleOf, viewOf } from "../kubernetes/cluster-objects.ts";
import { type FileRead, readManifests } from "../kubernetes/manifest-file.ts";
import type { Log } from "../log.ts";
import type { PodAddress } from "../pod.ts";
import type { Source } from "./pod-source.ts";
import { type Choice, endpointsOf, followedPools } from "./selection.ts";

export interface ManifestsOptions extends Choice {
  directory: string;
  /** How often the folder is looked through though nothing was told. */
  rescanMs?: number;
}

export interface ManifestsParts {
  log: Log;
  failed: (source: string) => void;
}

const NAME = "manifests";
const RESCAN_MS = 2000;
/** Editors and copies touch a file several times. */
const SETTLE_MS = 30;
const MAX_FILE_BYTES = 64 << 20;

interface KnownFile {
  /** Size, time of change and inode: with another one it is read again. */
  stamp: string;
  objects: Map<string, ClusterObject>;
}

export function manifestsSource(options: ManifestsOptions, { log, failed }: ManifestsParts): Source {
  const { directory, rescanMs = RESCAN_MS } = options;
  let files = new Map<string, KnownFile>();
  let problems: readonly string[] = [];
  let state = "";
  let told: readonly PodAddress[] | undefined;
  let said: object | undefined;
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let scanning = false;
  let again = false;

  const say = (next: string, detail: object): void => {
    if (next === state) return;
    state = next;
    if (next === "read") log.info({ source: NAME, directory, ...detail }, "reading manifests");
    else log.warn({ source: NAME, directory, ...detail }, "folder of manifests not read: what was read before stays");
  };

  const readOne = async (file: string, known: KnownFile | undefined): Promise<KnownFile | undefined> => {
    const path = join(directory, file);
    const about = await stat(path);
    if (!about.isFile()) return undefined;
    const { size, ctimeMs, ino } = about;
    const stamp = `${size} ${ctimeMs} ${ino}`;
    if (known?.stamp === stamp) return known;
    if (size > MAX_FILE_BYTES) {
      log.warn(
        { source: NAME, file, problem: `${size} bytes, expected at most ${MAX_FILE_BYTES}` },
        "manifest not read",
      );
      return { stamp, objects: known?.objects ?? new Map() };
    }
    const read = readManifests(await readFile(path, "utf8"), file.endsWith(".json"));
    report(file, read);
    return { stamp, objects: withLastGood(read, known) };
  };

  const report = (file: string, { problems: lines, unused }: FileRead): void => {
    for (const problem of lines) log.warn({ source: NAME, file, problem }, "manifest not understood: the rest goes on");
    for (const what of unused) log.info({ source: NAME, file, unused: what }, "manifest skipped: not used");
    if (lines.length > 0) failed(NAME);
  };

  const scan = async (): Promise<void> => {
    const names = (await readdir(directory)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
    const next = new Map<string, KnownFile>();
    for (const name of names) {
      const known = files.get(name);
      try {
        const file = await readOne(name, known);
        if (file !== undefined) next.set(name, file);
      } catch (error) {
        // Gone between the two calls, or not allowed to be read: then what it said last stays.
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === "ENOENT") continue;
        if (known === undefined || known.stamp !== message)
          log.warn({ source: NAME, file: name, problem: message }, "manifest not read");
        next.set(name, { stamp: message, objects: known?.objects ?? new Map() });
      }
    }
    files = next;
  };

  const objects = (): Iterable<ClusterObject> => {
    const all = new Map<string, ClusterObject>();
    for (const file of files.values()) for (const [identity, object] of file.objects) all.set(identity, object);
    return all.values();
  };

  const round = async (tell: (pods: readonly PodAddress[]) => void): Promise<void> => {
    if (scanning) {
      again = true;
      return;
    }
    scanning = true;
    clearTimeout(timer);
    try {
      again = false;
      await scan();
      if (closed) return;
      say("read", { files: files.size });
      listen(tell);
      const view = viewOf(objects());
      const found = endpointsOf(view, options);
      for (const problem of found.problems) if (!problems.includes(problem)) log.warn({ source: NAME }, problem);
      problems = found.problems;
      const saidNow = saidOf(view);
      if (told === undefined || !isDeepStrictEqual(told, found.pods) || !isDeepStrictEqual(said, saidNow)) {
        said = saidNow;
        told = structuredClone(found.pods);
        tell(found.pods);
      }
    } catch (error) {
      if (closed) return;
      failed(NAME);
      watcher?.close();
      watcher = undefined;
      say((error as Error).message, { error: (error as Error).message });
    } finally {
      scanning = false;
    }
    if (!closed) next(tell, again ? SETTLE_MS : rescanMs);
  };

  const next = (tell: (pods: readonly PodAddress[]) => void, ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void round(tell), ms);
  };

  const listen = (tell: (pods: readonly PodAddress[]) => void): void => {
    if (watcher !== undefined) return;
    const stop = (): void => {
      watcher?.close();
      watcher = undefined;
    };
    try {
      watcher = watch(directory, () => {
        if (closed) return;
        again = true;
        if (!scanning) next(tell, SETTLE_MS);
      });
      watcher.on("error", stop);
    } catch {
      // No watches left, or none on this file system: the rounds go on.
      watcher = undefined;
    }
  };

  return {
    name: NAME,
    start: (tell) => void round(tell),
    close() {
      closed = true;
      clearTimeout(timer);
      watcher?.close();
    },
    seen(): ClusterSeen {
      const watches = [...files].map(([file, known]) => ({ of: file, state: "read", objects: known.objects.size }));
      const view = viewOf(objects());
      return { source: NAME, followed: followedPools(view.pools, options), ...view, problems, watches };
    },
  };
}

/** A slip of the pen takes nothing away: what is not understood leaves what was there before. */
function withLastGood(read: FileRead, known: KnownFile | undefined): Map<string, ClusterObject> {
  const objects = new Map(read.objects);
  for (const [identity, object] of known?.objects ?? []) {
    if (objects.has(identity)) continue;
    if (read.torn || read.kept.includes(titleOf(object))) objects.set(identity, object);
  }
  return objects;
}
