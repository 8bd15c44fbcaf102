// actionlint, which checks workflow files, of one pinned version: built by Go once, into the cache folder. The Go module proxy
// serves the source; Go checks the source against its checksum database, and this file against the sum below.
// `tsx testkit/lint/actionlint.ts` builds it and prints the path.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../../envoy/wheel.ts";

const run = promisify(execFile);

const MODULE = "github.com/rhysd/actionlint";
const VERSION = "v1.7.12";
const SUM = "h1:vQ4GeJN86C0QH+gTUQcs8McmK62OLT3kmakPMtEWYnY=";
const TIMEOUT_MS = 600_000;

/** Go is missing, or the module cannot be fetched: nothing is wrong with the workflow files. */
export class ActionlintMissing extends Error {
  readonly code = "ACTIONLINT_MISSING";
}

/** Path of the binary, built now unless it was built before. */
export async function actionlint(): Promise<string> {
  const folder = join(cacheFolder(), "actionlint", `${VERSION}-${process.arch}`);
  const path = join(folder, "actionlint");
  if (existsSync(path)) return path;
  // GOFLAGS of the user may carry what `go install` of another module refuses (-mod, -modfile).
  const env = { ...process.env, GOFLAGS: "-trimpath", CGO_ENABLED: "0" };
  const download = await run("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], { env, timeout: TIMEOUT_MS })
    .then(({ stdout }) => JSON.parse(stdout) as { Sum?: string })
    .catch((error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "Go was not found on PATH" : `Go cannot fetch ${MODULE}: ${error.message}`;
      throw new ActionlintMissing(why);
    });
  if (download.Sum !== SUM) throw new Error(`${MODULE} ${VERSION}: the sum is ${download.Sum}, expected ${SUM}`);
  const unfinished = `${folder}.${process.pid}`;
  try {
    const args = ["install", "-p", "2", `${MODULE}/cmd/actionlint@${VERSION}`];
    await run("go", args, { env: { ...env, GOBIN: unfinished }, timeout: TIMEOUT_MS });
    mkdirSync(folder, { recursive: true });
    renameSync(join(unfinished, "actionlint"), path);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return path;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) console.log(await actionlint());
