// The part `pick` of the configuration.
//
//   pick.profile   tokens     tokens: prompt tokens and prefix cache (pick/token-cost.ts); load: requests, queue and KV cache (pick/load-cost.ts); epp: the endpoint picker's default
//   pick.picker    max-score-picker   or weighted-random-picker, random-picker, p2c-picker (the better of two): chooses among the scored (pick/pick.ts)
//   pick.config    none       an EndpointPickerConfig of the Gateway API Inference Extension, in place of profile and picker (config/epp.ts)
//   pick.onStale   fallback   with a stale snapshot: fallback: Envoy balances; ignore: pick as if it were fresh; penalise: pick, and take an endpoint whose signals are old or unknown for as bad as the worst
//   pick.dryRun    false      true: pick and count, but leave the choice to Envoy
//   pick.loadReports false    true: ask pods for a load report with each answer (ORCA; vLLM's endpoint-load-metrics) and use it until their next scrape (filter/response/load-report.ts)
//   pick.responses true       requests for a response of the Responses API, and those that go on from one, go to the pod that holds it (filter/request/by-response.ts)
//   pick.debugSecret none     16...256 characters: a request that has them in x-pilotfish-debug gets its pick explained in x-pilotfish-explain
//   pick.slowStart 10s   over which a pod that becomes ready gets its share of requests, "0s": at once
import { JSON } from "json-as";
import { Bytes, bytesOf } from "../base/bytes";
import { addScorer, KIND_LOAD, KIND_SCORERS, KIND_TOKENS, newProfile, Profile, pickerNames } from "../pick/profile";
import { SCORE_KV, SCORE_PREFIX, SCORE_QUEUE } from "../pick/scorers";
import { EjectionConfig, readEjection } from "./ejection";
import { readEndpointPicker } from "./epp";
import { readSession, SessionConfig } from "./session";
import { failKey, isString, readBoolean, readChoice, readDuration, readObject, report } from "./values";

const STALE_PENALISE: i32 = 2;

export class PickConfig {
  profile: Profile = newProfile(KIND_TOKENS);
  /** Pick with a stale snapshot too. */
  useStale: bool = false;
  dryRun: bool = false;
  ejection: EjectionConfig = new EjectionConfig();
  responses: bool = true;
  /** Length 0: nothing is explained. */
  debugSecret: Bytes = bytesOf("");
  session: SessionConfig = new SessionConfig();
  slowStart: u32 = 10000;
  /** Plugins of `config` that say nothing here: to be logged once. */
  ignored: string[] = [];

  /** Whether prompts are hashed for it. */
  get readsPrompts(): bool {
    return this.profile.kind != KIND_LOAD;
  }
}

export function readPick(config: PickConfig, value: JSON.Value): void {
  const pick = readObject("pick", value);
  const keys = pick.keys();
  let picker = -1;
  let given = false;
  let penalise = false;
  let loadReports = false;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `pick.${key}`;
    const value = pick.get(key)!;
    if (key == "profile") {
      config.profile = profileNamed(readChoice(name, value, ["load", "tokens", "epp"]));
      given = true;
    } else if (key == "picker") picker = readChoice(name, value, pickerNames());
    else if (key == "config") readEndpointPicker(config, name, value);
    else if (key == "onStale") {
      const choice = readChoice(name, value, ["fallback", "ignore", "penalise"]);
      config.useStale = choice != 0;
      penalise = choice == STALE_PENALISE;
    } else if (key == "responses") config.responses = readBoolean(name, value);
    else if (key == "debugSecret") config.debugSecret = bytesOf(readSecret(name, value));
    else if (key == "session") readSession(config.session, value);
    else if (key == "ejection") readEjection(config.ejection, value);
    else if (key == "loadReports") loadReports = readBoolean(name, value);
    else if (key == "slowStart") config.slowStart = readDuration(name, value, 0, 3600000);
    else if (key == "dryRun") config.dryRun = readBoolean(name, value);
    else
      failKey(
        name,
        "profile, picker, config, onStale, dryRun, responses, debugSecret, session, ejection, loadReports, slowStart",
      );
  }
  if (pick.get("config") !== null && (given || picker >= 0))
    report("pick.config: given beside pick.profile or pick.picker, one of them is expected");
  if (picker >= 0) config.profile.picker = picker;
  config.profile.penalise = penalise;
  config.profile.reports = loadReports;
}

/** Never quoted. */
function readSecret(key: string, value: JSON.Value): string {
  const given = isString(value) ? value.get<string>() : "";
  let visible = given.length >= 16 && given.length <= 256;
  for (let i = 0; i < given.length && visible; i++) visible = given.charCodeAt(i) > 0x20 && given.charCodeAt(i) < 0x7f;
  if (!visible) report(`${key}: 16 to 256 visible ASCII characters are expected`);
  return given;
}

/** After the last read: what every policy has. */
export function finishPick(config: PickConfig, staleAfter: u32): void {
  config.profile.staleAfter = staleAfter;
  const limits = config.profile.ejection;
  limits.failures = config.ejection.failures;
  limits.base = config.ejection.base;
  limits.max = config.ejection.most;
}

function profileNamed(choice: i32): Profile {
  if (choice == 0) return newProfile(KIND_LOAD);
  if (choice == 1) return newProfile(KIND_TOKENS);
  const profile = newProfile(KIND_SCORERS);
  addScorer(profile, SCORE_QUEUE, 2, 0);
  addScorer(profile, SCORE_KV, 2, 0);
  addScorer(profile, SCORE_PREFIX, 3, 0);
  return profile;
}
