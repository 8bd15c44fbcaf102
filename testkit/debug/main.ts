// `make trap LOG=envoy.log`: prints file and line of each frame of a trap that Envoy logged. Reads stdin without a file.
//
//   tsx testkit/debug/main.ts [--map build/pilotfish.debug.wasm.map] [log]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { framesOf, isOfAnotherBuild, showFrames } from "./trap.ts";

const { values, positionals } = parseArgs({
  options: { map: { type: "string", default: "build/pilotfish.debug.wasm.map" } },
  allowPositionals: true,
});

try {
  const map = JSON.parse(readFileSync(values.map, "utf8"));
  const frames = framesOf(readFileSync(positionals[0] ?? 0, "utf8"), map);
  if (frames.length > 0) {
    process.stdout.write(showFrames(frames));
    if (isOfAnotherBuild(frames))
      console.error(
        "trap: names and files disagree, so the lines are wrong: the stack is not of the build with this map",
      );
  } else {
    console.error(
      "trap: no frame was found; expected lines such as `  0:  0x26107 - assembly/main/...` of Envoy's log; " +
        "of a release build Envoy logs none: repeat the trap with the debug build",
    );
    process.exitCode = 1;
  }
} catch (error) {
  console.error(`trap: ${(error as Error).message}; \`make debug\` writes the module and its map`);
  process.exitCode = 1;
}
