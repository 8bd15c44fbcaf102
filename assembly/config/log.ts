// The part `log` of the configuration.
//
//   log.picks      false      true: filter state for access logs of picked requests too, not only of those where nothing was picked
import { JSON } from "json-as";
import { failKey, readBoolean, readObject } from "./values";

export class LogConfig {
  picks: bool = false;
}

export function readLog(config: LogConfig, value: JSON.Value): void {
  const log = readObject("log", value);
  const keys = log.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `log.${key}`;
    if (key == "picks") config.picks = readBoolean(name, log.get(key)!);
    else failKey(name, "picks");
  }
}
