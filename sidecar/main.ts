#!/usr/bin/env node
// The program pilotfish: the sidecar, and the commands `check`, `plan` and `schema`. Exit codes: 0 ended by a signal or
// --check, 1 failure, 2 wrong flags or configuration.
import { check, checkCommand } from "./check/check.ts";
import { CommanderError, parseArguments } from "./cli.ts";
import { ConfigFile } from "./config/follow.ts";
import { ConfigError, loadConfig } from "./config/load.ts";
import { jsonSchema } from "./config/schema-file.ts";
import { plan, planCommand } from "./plan/command.ts";
import { startSidecar } from "./sidecar.ts";

/** Runs one of the commands that do their work and end; undefined: the arguments start the sidecar. */
function command(argv: readonly string[]): Promise<void> | undefined {
  if (argv[0] === "plan") return runPlan(argv.slice(1));
  if (argv[0] === "schema") return printSchema(argv[1]);
  if (argv[0] !== "check") return undefined;
  const program = checkCommand().name("pilotfish check").exitOverride();
  program.parse(argv.slice(1), { from: "user" });
  const { text, code } = check(program.args, program.opts());
  (code === 2 ? process.stderr : process.stdout).write(text);
  process.exitCode = code;
  return Promise.resolve();
}

async function printSchema(program = ""): Promise<void> {
  const text = jsonSchema(program);
  if (text !== undefined) process.stdout.write(text);
  else {
    console.error(`pilotfish schema: got ${program || "nothing"}, expected filter or sidecar`);
    process.exitCode = 2;
  }
}

async function runPlan(argv: readonly string[]): Promise<void> {
  const program = planCommand().name("pilotfish plan").exitOverride();
  program.parse(argv, { from: "user" });
  const { text, code } = await plan(program.opts());
  (code === 2 ? process.stderr : process.stdout).write(text);
  process.exitCode = code;
}

async function main(): Promise<void> {
  const other = command(process.argv.slice(2));
  if (other !== undefined) return other;
  const { config: file, flags, check } = parseArguments(process.argv.slice(2));
  const config = loadConfig(file, flags, process.env);
  if (check) {
    for (const warning of config.warnings) console.error(`pilotfish: ${warning}`);
    console.log("configuration: good");
    return;
  }
  const sidecar = await startSidecar(config);
  if (file !== undefined) {
    const followed = new ConfigFile(file, config, () => loadConfig(file, flags, process.env), sidecar);
    process.on("SIGHUP", () => void followed.again());
  }
  const end = () => {
    // When everything is closed, nothing keeps the process alive. The timer ends the process if something does.
    setTimeout(() => process.exit(0), 900).unref();
    void sidecar.close();
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

main().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof ConfigError) {
    for (const problem of error.problems) console.error(`pilotfish: ${problem}`);
    process.exitCode = 2;
  } else {
    console.error(`pilotfish: ${(error as Error).message}`);
    process.exitCode = 1;
  }
});
