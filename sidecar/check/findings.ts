// The result of `pilotfish check`: the objects that Pilotfish uses, by section, the ignored objects, and the contradictions.
import type { Config } from "../config/schema.ts";
import { policiesOf } from "../policies/policies-of-manifests.ts";
import { contradictionsOf, notesOf } from "./contradictions.ts";
import type { Manifests } from "./read-manifests.ts";
import { type Section, sectionsOf } from "./sections.ts";

interface Findings {
  sections: Section[];
  /** Facts that an operator should know and that are no mistakes. */
  notes: string[];
  ignored: string[];
  /** With any contradiction the exit code is 1. */
  contradictions: string[];
}

export function findingsOf(manifests: Manifests, config: Config | undefined): Findings {
  const { policies, problems, notes } = policiesOf(manifests.view.policies);
  const all = [...(config?.policies ?? []), ...policies];
  return {
    sections: sectionsOf(manifests, all, config),
    notes: [...notes, ...notesOf(manifests, all)],
    ignored: manifests.ignored,
    contradictions: [...manifests.problems, ...problems, ...contradictionsOf(manifests)],
  };
}

export function textOf({ sections, notes, ignored, contradictions }: Findings): string {
  const block = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? "" : `${title}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  return [
    ...sections.map(({ title, lines }) => block(title, lines)),
    block("Notes", notes),
    block("Ignored", ignored),
    block("Contradictions", contradictions),
    contradictions.length === 0 ? "Nothing contradicts.\n" : `${contradictions.length} to correct.\n`,
  ].join("");
}
