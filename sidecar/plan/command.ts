// `pilotfish plan`: shows where a request would go, and why. Exit codes: 0 the filter picks an endpoint, 1 it picks none, 2
// wrong flags or files.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { SECRET_ENV, SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { planOf, textOf } from "./plan.ts";

interface Options {
  snapshot?: string;
  sidecar?: string;
  model?: string;
  prompt: string;
  body?: string;
  path: string;
  header: Array<[string, string]>;
  filter?: string;
  module: string;
  count: number;
  json?: boolean;
}

function header(text: string, before: Array<[string, string]>): Array<[string, string]> {
  const colon = text.indexOf(":");
  if (colon < 1) throw new InvalidArgumentError("expected name: value");
  return [...before, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]];
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 100_000)
    throw new InvalidArgumentError("expected 1 to 100000");
  return number;
}

/** Returns the path of the release module, from the sources or from the compiled files in the package. */
function moduleFile(): string {
  const paths = ["../../build/pilotfish.wasm", "../../../pilotfish.wasm"];
  const files = paths.map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return files.find((file) => existsSync(file)) ?? (files[0] as string);
}

export function planCommand(): Command {
  return new Command("plan")
    .description("runs the filter without Envoy, and shows which pod and place a request would go to, and why")
    .option("-s, --snapshot <file>", "a snapshot, as the sidecar pushes it")
    .option("--sidecar <url>", `a running sidecar that gives its snapshot; the secret comes from ${SECRET_ENV}`)
    .option("-m, --model <name>", "the model of the request")
    .option("--prompt <text>", "the text of the request", "hello")
    .option("-b, --body <file>", "the request's body, instead of --model and --prompt")
    .option("--path <path>", "the path of the request", "/v1/chat/completions")
    .option("-H, --header <name: value>", "a header of the request; may be repeated", header, [])
    .option("-f, --filter <file>", "the filter's configuration, JSON")
    .option("--module <file>", "the filter's module, WebAssembly", moduleFile())
    .option("-n, --count <n>", "how many such requests are sent, to show which endpoints they go to", count, 200)
    .option("--json", "print JSON");
}

interface PlanDone {
  text: string;
  code: number;
}

async function snapshotOf({ snapshot, sidecar }: Options): Promise<Uint8Array> {
  if (snapshot !== undefined) return readFileSync(snapshot);
  if (sidecar === undefined) throw new Error("expected --snapshot or --sidecar");
  const secret = process.env[SECRET_ENV];
  if (secret === undefined) throw new Error(`expected the secret in the environment variable ${SECRET_ENV}`);
  const answer = await fetch(new URL(SNAPSHOT_PATH, sidecar), { headers: { [SECRET_HEADER]: secret } });
  if (!answer.ok) throw new Error(`${sidecar}${SNAPSHOT_PATH}: status ${answer.status}: ${await answer.text()}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function bodyOf({ body, model, prompt }: Options): string {
  if (body !== undefined) return readFileSync(body, "utf8");
  if (model === undefined) throw new Error("expected --model or --body");
  return JSON.stringify({ model, messages: [{ role: "user", content: prompt }] });
}

export async function plan(options: Options): Promise<PlanDone> {
  try {
    const made = planOf({
      module: new WebAssembly.Module(readFileSync(options.module)),
      snapshot: await snapshotOf(options),
      configuration: options.filter === undefined ? "" : readFileSync(options.filter, "utf8"),
      headers: options.header,
      path: options.path,
      body: bodyOf(options),
      count: options.count,
    });
    const text = options.json === true ? `${JSON.stringify(made, null, 2)}\n` : textOf(made, options.count);
    return { text, code: made.endpoints.length > 0 ? 0 : 1 };
  } catch (error) {
    return { text: `pilotfish plan: ${(error as Error).message}\n`, code: 2 };
  }
}
