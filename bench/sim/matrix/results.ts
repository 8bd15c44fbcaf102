// The results of a matrix, one line of JSON each. A run that was stopped goes on where it was.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isModel } from "../contenders.ts";
import type { Outcome, Task } from "./worker.ts";

export interface Result extends Task, Outcome {
  /** Hash of the code on which the figures depend. */
  code: string;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** These files of bench/sim decide no figure. */
const FOR_NOBODY = /^bench\/sim\/(matrix\/|main\.ts|report\.ts|herd\.ts|contenders\.ts)/;
/** These files decide figures of Pilotfish alone. */
const FOR_PILOTFISH = /^bench\/sim\/pilotfish\//;

function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort();
}

function hashOf(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(ROOT, file)));
  return hash.digest("hex").slice(0, 12);
}

/**
 * Returns, for a contender's name, the hash of the code on which its figures depend. Pilotfish's figures depend on the module and the
 * sidecar too, so a new module leaves the figures of the models as they are.
 */
export function codeHashes(wasmFile: string): (contender: string) => string {
  const all = [...filesOf("simulator"), ...filesOf("bench/sim")].filter((file) => !FOR_NOBODY.test(file));
  const model = hashOf(all.filter((file) => !FOR_PILOTFISH.test(file)));
  const wasm = createHash("sha256").update(readFileSync(wasmFile)).digest("hex");
  const ours = hashOf([...all, ...filesOf("sidecar"), ...filesOf("protocol")]);
  const pilotfish = createHash("sha256").update(ours).update(wasm).digest("hex").slice(0, 12);
  return (contender) => (isModel(contender) ? model : pilotfish);
}

const keyOf = ({ cell, seed, contender, code }: Omit<Result, keyof Outcome>): string => {
  const { load, hardware, tokenBytes, count, requests } = cell;
  return JSON.stringify([load, hardware, tokenBytes, count, requests, seed, contender, code]);
};

export class Results {
  readonly #file: string;
  readonly #found = new Map<string, Result>();

  /** Reads the results of earlier runs. A line that is cut off is dropped. */
  constructor(file: string) {
    this.#file = file;
    mkdirSync(dirname(file), { recursive: true });
    if (!existsSync(file)) return;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const result = parse(line);
      if (result !== undefined) this.#found.set(keyOf(result), result);
    }
  }

  get(task: Task, code: string): Result | undefined {
    return this.#found.get(keyOf({ ...task, code }));
  }

  add(result: Result): void {
    this.#found.set(keyOf(result), result);
    appendFileSync(this.#file, `${JSON.stringify(result)}\n`);
  }
}

function parse(line: string): Result | undefined {
  try {
    return JSON.parse(line) as Result;
  } catch {
    return undefined;
  }
}
