// Peers that are built from Go modules: BBR (body-based routing) and EPP (the endpoint picker) of the Gateway API Inference Extension,
// and EPP with two mended lines. Each is built once into the cache folder.

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder, type Progress } from "../../envoy/wheel.ts";
import { buildGoProgram, GoBuildError, type GoProgram } from "../go/program.ts";

export interface Peer {
  /** Name in the cache. For a peer without `mends`, also the folder with go.mod and go.sum. */
  name: string;
  /** Name of the binary and of its Go package. */
  program: "bbr" | "epp";
  title: string;
  version: string;
  /** Replacements in a copy of the module's source. */
  mends?: readonly Mend[];
}

/** `from` occurs exactly once in the file and is replaced by `to`. */
interface Mend {
  file: string;
  from: string;
  to: string;
}

export const BBR: Peer = { name: "bbr", program: "bbr", title: "BBR", version: "1.5.0" };
export const EPP: Peer = { name: "epp", program: "epp", title: "EPP", version: "1.5.0" };

const PLUGINS = "pkg/epp/framework/plugins";
const POINTER = "attrconcurrency.InFlightLoadKey: &attrconcurrency.InFlightLoad{},";
const VALUE = "attrconcurrency.InFlightLoadKey: attrconcurrency.InFlightLoad{},";

/**
 * EPP 1.5.0 compares what `inflight-load-producer` produces with what `token-load-scorer` consumes. Both give a pointer, and two
 * pointers are never equal, so EPP refuses every configuration with both (pkg/epp/datalayer/data_graph.go). Values are equal.
 */
export const EPP_MENDED: Peer = {
  name: "epp-mended",
  program: "epp",
  title: "EPP with llm-d's optimized baseline",
  version: "1.5.0",
  mends: [
    { file: `${PLUGINS}/requestcontrol/requestdataproducer/inflightload/producer.go`, from: POINTER, to: VALUE },
    { file: `${PLUGINS}/scheduling/scorer/tokenload/token_load.go`, from: POINTER, to: VALUE },
  ],
};

const MODULE = {
  path: "sigs.k8s.io/gateway-api-inference-extension",
  version: "v1.5.0",
  sum: "h1:w9Awt60cmI1vM7Y6N81h8wDCBP0WkmxpdI7GKY0v070=",
};
const OLDEST_GO = "1.21";
const FLAGS = "-mod=readonly -trimpath -buildvcs=false";

/** Where the cache has the binary, or will have it. */
export function peerPath({ name, program, version }: Peer): string {
  return join(cacheFolder(), "peers", `${name}-${version}-${process.arch}`, program);
}

/** The path of the binary, which is built unless the cache has it. */
export function buildPeer(peer: Peer, progress?: Progress): Promise<string> {
  const title = `${peer.title} ${peer.version}`;
  const shared = { title, path: peerPath(peer), oldestGo: OLDEST_GO };
  const program = peer.mends ? mended(shared, peer.program, peer.mends) : published(shared, peer);
  return buildGoProgram(program, progress ? { progress } : {});
}

type Shared = Pick<GoProgram, "title" | "path" | "oldestGo">;

/** Builds the module as published. The go.sum of the peer's folder has the checksum of every module. */
function published(shared: Shared, { name, program }: Peer): GoProgram {
  const source = fileURLToPath(new URL(`./${name}/`, import.meta.url));
  const main = `${MODULE.path}/cmd/${program}`;
  return {
    ...shared,
    environment: { GOFLAGS: FLAGS },
    prepare: (work) => ["build", "-C", source, "-v", "-o", join(work, program), main],
  };
}

/** Builds a mended copy. The copy's go.sum, which MODULE.sum covers, has the checksum of every other module. */
function mended(shared: Shared, program: string, mends: readonly Mend[]): GoProgram {
  return {
    ...shared,
    module: MODULE,
    // The module has a go.work, which names folders that are not in the published module.
    environment: { GOFLAGS: FLAGS, GOWORK: "off" },
    async prepare(work, _goMod, source) {
      const copy = join(work, "source");
      // Go's module cache is read-only, and the copy must be writable.
      await promisify(execFile)("cp", ["-R", "--no-preserve=mode", source, copy]);
      for (const mend of mends) {
        const file = join(copy, mend.file);
        await writeFile(file, applyMend(await readFile(file, "utf8"), mend));
      }
      return ["build", "-C", copy, "-v", "-o", join(work, program), `./cmd/${program}`];
    },
  };
}

/** The text with the replacement. Throws GoBuildError unless the text has `from` exactly once. */
export function applyMend(text: string, { file, from, to }: Mend): string {
  const parts = text.split(from);
  if (parts.length !== 2)
    throw new GoBuildError("GO_BUILD", `${file}: has ${parts.length - 1} times "${from}", expected once`);
  return parts.join(to);
}
