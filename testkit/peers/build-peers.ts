// `make peers` builds or installs the peers of the benches into the cache folder: tsx testkit/peers/build-peers.ts [name …]
// A peer that fails does not stop the others. The exit status is 1 then.

import { fileURLToPath } from "node:url";
import { BBR, buildPeer, EPP, EPP_MENDED } from "./go-peers.ts";
import { installPeer, PYTHON_PEERS } from "./python-peers.ts";

const BUILDERS: readonly { name: string; build(): Promise<string> }[] = [
  ...[BBR, EPP, EPP_MENDED].map((peer) => ({ name: peer.name, build: () => buildPeer(peer) })),
  ...PYTHON_PEERS.map((peer) => ({ name: peer.name, build: () => installPeer(peer) })),
];

async function main(names: readonly string[]): Promise<number> {
  const known = BUILDERS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    console.error(`make peers: "${unknown}" given, expected some of ${known.join(" ")}`);
    return 1;
  }
  let failed = 0;
  for (const { name, build } of BUILDERS) {
    if (names.length > 0 && !names.includes(name)) continue;
    try {
      console.log(await build());
    } catch (error) {
      failed++;
      console.error(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return failed === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
