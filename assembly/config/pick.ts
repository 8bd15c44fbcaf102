// The part `pick` of the configuration.
//
//   pick.profile   load       load: requests, queue and KV cache (pick/cost.ts); tokens: prompt tokens and prefix cache (pick/rule.ts)
//   pick.onStale   fallback   with a stale snapshot: fallback: Envoy balances; ignore: pick as if it were fresh
//   pick.dryRun    false      true: pick and count, but leave the choice to Envoy
import { JSON } from "json-as";
import { failKey, readBoolean, readChoice, readObject } from "./values";

export const PROFILE_LOAD: u32 = 0;
export const PROFILE_TOKENS: u32 = 1;

export class PickConfig {
  profile: u32 = PROFILE_LOAD;
  useStale: bool = false;
  dryRun: bool = false;
}

export function readPick(config: PickConfig, value: JSON.Value): void {
  const pick = readObject("pick", value);
  const keys = pick.keys();
  for (let i = 0; i < keys.length; i++) {
    const name = `pick.${keys[i]}`;
    const given = pick.get(keys[i])!;
    if (keys[i] == "profile") config.profile = readChoice(name, given, ["load", "tokens"]);
    else if (keys[i] == "onStale") config.useStale = readChoice(name, given, ["fallback", "ignore"]) == 1;
    else if (keys[i] == "dryRun") config.dryRun = readBoolean(name, given);
    else failKey(name, "profile, onStale, dryRun");
  }
}
