// The part `admission` of the configuration.
//
//   admission.mode         shed    shed: a request with a priority below 0 is refused with 429 where its pool is saturated; hold: the others wait there for room, and for a first pod; off: neither
//   admission.objectives   {}      name -> priority, of requests with x-gateway-inference-objective; wins over the snapshot's objectives
//   admission.headers      strip   strip or pass: the headers of objective and fairness id, on the way to the pod
//   admission.retryAfter   1s      whole seconds that a refused client is asked to wait
//   admission.saturation.queueDepthThreshold         5      waiting requests with which an endpoint is full
//   admission.saturation.kvCacheUtilThreshold        0.8    share of the KV cache with which it is
//   admission.saturation.metricsStalenessThreshold   2s     older signals are taken for those of a full one
//   admission.hold.maxRequests   1024       held at once in each worker, 1...16384
//   admission.hold.maxBytes      67108864   of their bodies, in each worker
//   admission.hold.timeout       30s        the longest wait: then 503
import { JSON } from "json-as";
import { objectiveHash } from "../admission/objectives";
import { Limits, newLimits } from "../admission/saturation";
import { Bytes, bytesOf } from "../base/bytes";
import { pairsOf } from "../host/pairs";
import { fail, failKey, readChoice, readDuration, readInteger, readObject, report } from "./values";

export const MODE_SHED: u32 = 0;
export const MODE_HOLD: u32 = 1;
export const MODE_OFF: u32 = 2;

const MOST_OBJECTIVES: i32 = 256;

export class AdmissionConfig {
  mode: u32 = MODE_SHED;
  strip: bool = true;
  limits: Limits = newLimits();
  mostHeld: u32 = 1024;
  mostBytes: u32 = 67108864;
  timeoutMilliseconds: u32 = 30000;
  /** Of refusals that a client may try again. */
  busyHeaders: Bytes = busyHeaders(1);
  /** Of the names of `objectives`. */
  hashes: u64[] = [];
  priorities: i32[] = [];
}

export function readAdmission(config: AdmissionConfig, value: JSON.Value): void {
  const admission = readObject("admission", value);
  const keys = admission.keys();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const name = `admission.${key}`;
    const given = admission.get(key)!;
    if (key == "mode") config.mode = readChoice(name, given, ["shed", "hold", "off"]);
    else if (key == "objectives") readObjectives(config, name, given);
    else if (key == "headers") config.strip = readChoice(name, given, ["strip", "pass"]) == 0;
    else if (key == "retryAfter") readRetryAfter(config, name, given);
    else if (key == "saturation") readSaturation(config.limits, name, given);
    else if (key == "hold") readHold(config, name, given);
    else failKey(name, "mode, objectives, headers, retryAfter, saturation, hold");
  }
}

function readObjectives(config: AdmissionConfig, key: string, value: JSON.Value): void {
  const objectives = readObject(key, value);
  const keys = objectives.keys();
  if (keys.length > MOST_OBJECTIVES)
    return report(`${key}: ${keys.length} objectives given, at most ${MOST_OBJECTIVES} are expected`);
  for (let i = 0; i < keys.length; i++) {
    const given = objectives.get(keys[i])!;
    const number = given.type == JSON.Types.F64 ? given.get<f64>() : NaN;
    if (number >= -2147483648 && number <= 2147483647 && number == Math.floor(number)) {
      const objective = bytesOf(keys[i]);
      config.hashes.push(objectiveHash(objective.pointer, objective.length));
      config.priorities.push(<i32>number);
    } else fail(`${key}.${keys[i]}`, given, "a priority, a whole number of 32 bits,");
  }
}

function readRetryAfter(config: AdmissionConfig, key: string, value: JSON.Value): void {
  const milliseconds = readDuration(key, value, 1000, 3600000);
  if (milliseconds % 1000 != 0) return fail(key, value, "a duration of whole seconds");
  config.busyHeaders = busyHeaders(milliseconds / 1000);
}

function busyHeaders(seconds: u32): Bytes {
  return pairsOf(["content-type", "application/json", "retry-after", seconds.toString()]);
}

function readSaturation(limits: Limits, key: string, value: JSON.Value): void {
  const saturation = readObject(key, value);
  const keys = saturation.keys();
  for (let i = 0; i < keys.length; i++) {
    const name = `${key}.${keys[i]}`;
    const given = saturation.get(keys[i])!;
    if (keys[i] == "queueDepthThreshold") limits.queueDepth = <f32>readInteger(name, given, 1, 1000000);
    else if (keys[i] == "kvCacheUtilThreshold") {
      const share = given.type == JSON.Types.F64 ? given.get<f64>() : NaN;
      if (share > 0 && share <= 1) limits.kvUsage = <f32>share;
      else fail(name, given, "a number above 0, at most 1,");
    } else if (keys[i] == "metricsStalenessThreshold") limits.stale = readDuration(name, given, 50, 3600000);
    else failKey(name, "queueDepthThreshold, kvCacheUtilThreshold, metricsStalenessThreshold");
  }
}

function readHold(config: AdmissionConfig, key: string, value: JSON.Value): void {
  const hold = readObject(key, value);
  const keys = hold.keys();
  for (let i = 0; i < keys.length; i++) {
    const name = `${key}.${keys[i]}`;
    const given = hold.get(keys[i])!;
    if (keys[i] == "maxRequests") config.mostHeld = readInteger(name, given, 1, 16384);
    else if (keys[i] == "maxBytes") config.mostBytes = readInteger(name, given, 1024, 0xfffffffe);
    else if (keys[i] == "timeout") config.timeoutMilliseconds = readDuration(name, given, 100, 3600000);
    else failKey(name, "maxRequests, maxBytes, timeout");
  }
}
