// Maps the stack of a trap inside the filter to files and lines, by the source map of the debug build.
//
// Envoy logs a trap as
//   Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable
//   Proxy-Wasm plugin in-VM backtrace:
//     0:  0x26107 - assembly/filter/request/request/requestHeaders
// If the module has no names, Envoy logs only the first of these lines. In the emulator Node throws an Error, whose stack has the
// frame as
//   at assembly/filter/request/request/requestHeaders (wasm://wasm/8a:wasm-function[123]:0x26107)
// In both formats the hexadecimal number is a byte offset into the module. The source map has a single line, and the offset is the
// column in this line.
import { SourceMap, type SourceMapPayload } from "node:module";

const ENVOY_FRAME = /^\s*\d+:\s+0x([0-9a-f]+) - (\S+)$/;
const NODE_FRAME = /(?:at (\S+) \()?\S*wasm-function\[\d+\]:0x([0-9a-f]+)/;

interface Frame {
  /** As the module's name section has it; absent in a build without one. */
  function: string | undefined;
  offset: number;
  file: string | undefined;
  /** Counted from 1. */
  line: number | undefined;
}

/** The frames in `text`, innermost first; lines that are no frame are skipped. */
export function framesOf(text: string, map: SourceMapPayload): Frame[] {
  const source = new SourceMap(map);
  const frames: Frame[] = [];
  for (const line of text.split("\n")) {
    const envoy = ENVOY_FRAME.exec(line);
    const node = envoy ? null : NODE_FRAME.exec(line);
    const hex = envoy?.[1] ?? node?.[2];
    if (hex === undefined) continue;
    const offset = Number.parseInt(hex, 16);
    const entry = source.findEntry(0, offset);
    const found = "originalSource" in entry;
    frames.push({
      function: envoy?.[2] ?? node?.[1],
      offset,
      file: found ? entry.originalSource : undefined,
      line: found ? entry.originalLine + 1 : undefined,
    });
  }
  return frames;
}

/** Whether no frame's function is in the file that the map gives: then the map is of another build than the stack. */
export function isOfAnotherBuild(frames: readonly Frame[]): boolean {
  return !frames.some(({ function: name = "", file = "" }) => file !== "" && name.includes(file.replace(/\.ts$/, "/")));
}

/** One line for each frame: `file:line  function`. */
export function showFrames(frames: readonly Frame[]): string {
  return frames
    .map(({ file, line, offset, function: name = "" }) => {
      const where = file === undefined ? `0x${offset.toString(16)} (not in the source map)` : `${file}:${line}`;
      return `${where}  ${name}\n`;
    })
    .join("");
}
