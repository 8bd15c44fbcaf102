// The section `pick` as the filter uses it: the profile that compares endpoints.
import { addScorer, KIND_LOAD, KIND_SCORERS, KIND_TOKENS, newProfile, Profile, pickerNames } from "../pick/profile";
import { SCORE_KV, SCORE_PREFIX, SCORE_QUEUE } from "../pick/scorers";
import { endpointPickerProfile, ignoredPlugins } from "./endpoint-picker";
import { PickSettings, STALE_FALLBACK, STALE_PENALISE } from "./generated/pick-settings";
import { Problems } from "./problems";
import { Section } from "./section";

export { SessionSettings } from "./generated/pick-settings";

export class PickConfig extends PickSettings {
  profile: Profile = newProfile(KIND_TOKENS);
  /** Plugins of `pick.config` that have no effect here. A log line names them. */
  ignored: string[] = [];

  constructor(section: Section) {
    super(section);
  }

  /** Whether the filter also picks by a stale snapshot. */
  get useStale(): bool {
    return this.onStale != STALE_FALLBACK;
  }

  /** Whether the profile needs the hashes of prompts. */
  get readsPrompts(): bool {
    return this.profile.kind != KIND_LOAD;
  }
}

/** Call after the last key was read. `staleAfter` is `snapshot.staleAfter`, ms. */
export function finishPick(problems: Problems, config: PickConfig, staleAfter: u32): void {
  const given = config.config;
  if (given === null) {
    config.profile = profileNamed(config.profileName);
    if (config.picker.length) config.profile.picker = pickerNames().indexOf(config.picker);
  } else if (config.profileName.length || config.picker.length) {
    problems.add("pick.config: given beside pick.profile or pick.picker, one of them is expected");
  } else {
    config.profile = endpointPickerProfile(problems, "pick.config", given);
    config.ignored = ignoredPlugins(given);
  }
  const ejection = config.ejection;
  if (ejection.maxTime < ejection.baseTime)
    problems.add(
      `pick.ejection.maxTime: ${ejection.maxTime}ms given, pick.ejection.baseTime, ${ejection.baseTime}ms, or more is expected`,
    );
  const profile = config.profile;
  profile.penalise = config.onStale == STALE_PENALISE;
  profile.reports = config.loadReports;
  profile.staleAfter = staleAfter;
  profile.ejection.failures = ejection.failures;
  profile.ejection.base = ejection.baseTime;
  profile.ejection.max = ejection.maxTime;
}

/** Returns a new profile by its name in `pick.profile`; "" stands for the default. */
function profileNamed(name: string): Profile {
  if (name == "load") return newProfile(KIND_LOAD);
  if (name != "epp") return newProfile(KIND_TOKENS);
  const profile = newProfile(KIND_SCORERS);
  addScorer(profile, SCORE_QUEUE, 2, 0);
  addScorer(profile, SCORE_KV, 2, 0);
  addScorer(profile, SCORE_PREFIX, 3, 0);
  return profile;
}
