// Builds one pinned version of actionlint, which checks workflow files. `tsx testkit/go/actionlint.ts` prints the binary's path.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cacheFolder } from "../../envoy/wheel.ts";
import { buildGoProgram, type GoProgram } from "./program.ts";

const MODULE = {
  path: "github.com/rhysd/actionlint",
  version: "v1.7.12",
  sum: "h1:vQ4GeJN86C0QH+gTUQcs8McmK62OLT3kmakPMtEWYnY=",
};

const PROGRAM: GoProgram = {
  title: `actionlint ${MODULE.version}`,
  path: join(cacheFolder(), "actionlint", `${MODULE.version}-${process.arch}`, "actionlint"),
  oldestGo: "1.25",
  module: MODULE,
  environment: { GOFLAGS: "-trimpath", CGO_ENABLED: "0" },
  prepare: () => ["install", "-v", `${MODULE.path}/cmd/actionlint@${MODULE.version}`],
};

/** Path of the binary, which is built unless the cache has it. Throws a GoBuildError with GO_MISSING where Go is not installed. */
export function actionlint(): Promise<string> {
  return buildGoProgram(PROGRAM);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) console.log(await actionlint());
