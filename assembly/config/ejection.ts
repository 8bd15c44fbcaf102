// The part `pick.ejection` of the configuration: pods whose answers fail get no requests for a while (endpoints/health.ts).
//
//   pick.ejection.failures   3   failed answers in a row that eject a pod: no connection, a reset, 500, 502, 503, 504; 0: none do
//   pick.ejection.base   1s   how long the first time; twice as long each further time in a row
//   pick.ejection.most   60s   how long at most
import { JSON } from "json-as";
import { failKey, readDuration, readInteger, readObject, report } from "./values";

export class EjectionConfig {
  failures: u32 = 3;
  base: u32 = 1000;
  most: u32 = 60000;
}

export function readEjection(config: EjectionConfig, value: JSON.Value): void {
  const ejection = readObject("pick.ejection", value);
  const keys = ejection.keys();
  for (let i = 0; i < keys.length; i++) {
    const name = `pick.ejection.${keys[i]}`;
    const given = ejection.get(keys[i])!;
    if (keys[i] == "failures") config.failures = readInteger(name, given, 0, 1000);
    else if (keys[i] == "base") config.base = readDuration(name, given, 10, 3600000);
    else if (keys[i] == "most") config.most = readDuration(name, given, 10, 3600000);
    else failKey(name, "failures, base, most");
  }
  if (config.most < config.base)
    report(`pick.ejection.most: ${config.most}ms given, pick.ejection.base, ${config.base}ms, or more is expected`);
}
