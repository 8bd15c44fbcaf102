// `pilotfish check`: shows how Pilotfish reads manifests and the configuration. Exit codes: 0 no contradiction; 1
// contradictions, or objects with errors; 2 wrong flags, files or configuration.
import { Command } from "commander";
import { ConfigError, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { findingsOf, textOf } from "./findings.ts";
import { filesOf, readFiles } from "./read-manifests.ts";

export function checkCommand(): Command {
  return new Command("check")
    .description("shows how Pilotfish reads manifests and its configuration, and finds contradictions; for CI")
    .argument("[paths...]", "manifests: files, or folders of .yaml, .yml and .json")
    .option("-c, --config <file>", "the sidecar's configuration")
    .option("--json", "print JSON");
}

interface CheckResult {
  text: string;
  /** The exit code. */
  code: number;
}

/** The configuration must have a secret. `pilotfish check` does not use the secret, so this text stands for it. */
const NO_SECRET = "not-looked-at-by-check";

export function check(paths: readonly string[], options: { config?: string; json?: boolean }): CheckResult {
  if (paths.length === 0 && options.config === undefined) {
    return { text: "pilotfish check: expected manifests, or --config\n", code: 2 };
  }
  let config: Config | undefined;
  try {
    if (options.config !== undefined) {
      config = loadConfig(options.config, {}, { PILOTFISH_SECRET: NO_SECRET, ...process.env });
    }
    const findings = findingsOf(readFiles(filesOf(paths)), config);
    const text = options.json === true ? `${JSON.stringify(findings, null, 2)}\n` : textOf(findings);
    return { text, code: findings.contradictions.length === 0 ? 0 : 1 };
  } catch (error) {
    const lines = error instanceof ConfigError ? error.problems : [(error as Error).message];
    return { text: lines.map((line) => `pilotfish check: ${line}\n`).join(""), code: 2 };
  }
}
