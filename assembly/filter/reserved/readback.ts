// Writes the current snapshot as JSON, for people and tests. GET on the reserved path returns it. protocol/README.md shows its shape.
import {
  ENDPOINT_ASLEEP,
  ENDPOINT_DRAINING,
  ENDPOINT_GATEWAY,
  ENDPOINT_READY,
  MODEL_IS_BASE,
  UNKNOWN,
} from "../../../protocol/constants";
import { Writer } from "../../base/writer";
import { counted, remoteInFlight } from "../../endpoints/in-flight";
import { endpointPool, modelPool } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";
import { writeObjects, writePool } from "./readback-objects";

/** Writes a JSON object without its closing brace. The caller may add members, and closes the object. */
export function writeSnapshot(w: Writer, view: SnapshotView, ageMilliseconds: u64, stale: bool): void {
  w.raw('{"version":"');
  w.number(view.version);
  w.raw('","source":"');
  w.number(view.source);
  w.raw('","ageMs":');
  w.number(ageMilliseconds);
  w.raw(',"stale":');
  w.raw(stale ? "true" : "false");
  w.raw(',"bytes":');
  w.number(view.bytes);
  w.raw(',"endpoints":[');
  for (let i: u32 = 0; i < view.endpointCount; i++) writeEndpoint(w, view, i);
  w.raw('],"models":[');
  for (let i: u32 = 0; i < view.modelCount; i++) writeModel(w, view, i);
  w.raw("]");
  writeObjects(w, view);
}

function writeEndpoint(w: Writer, view: SnapshotView, i: u32): void {
  const flags = view.flags(i);
  w.raw(i > 0 ? ',{"address":"' : '{"address":"');
  w.bytes(view.address(i), view.addressLength(i));
  w.raw('","ready":');
  w.raw(flags & ENDPOINT_READY ? "true" : "false");
  w.raw(',"draining":');
  w.raw(flags & ENDPOINT_DRAINING ? "true" : "false");
  w.raw(',"asleep":');
  w.raw(flags & ENDPOINT_ASLEEP ? "true" : "false");
  w.raw(',"waiting":');
  writeKnown(w, view.waiting(i));
  w.raw(',"running":');
  writeKnown(w, view.running(i));
  w.raw(',"kvUsage":');
  const kv = view.kvUsage(i);
  if (kv >= 0 && kv <= 1) w.fraction(kv);
  else w.raw("null");
  w.raw(',"scrapeAgeMs":');
  writeKnown(w, view.scrapeAge(i));
  w.raw(',"inFlight":');
  const inFlight = counted(i);
  w.number(inFlight > 0 ? inFlight : 0);
  w.raw(',"inFlightElsewhere":');
  w.number(remoteInFlight(i));
  writeCost(w, ',"prefillRate":', view.prefillRate(i));
  writeCost(w, ',"stepSeconds":', view.stepSeconds(i));
  writeCost(w, ',"sequenceSeconds":', view.sequenceSeconds(i));
  const place = view.endpointPlace(i);
  if (place != NONE) {
    w.raw(',"place":"');
    w.bytes(view.placeName(place), view.placeNameLength(place));
    w.raw('"');
  }
  if (flags & ENDPOINT_GATEWAY) w.raw(',"gateway":true');
  writePool(w, view, endpointPool(view, i));
  w.raw("}");
}

/** Writes a learned cost with its key; nothing if it is not learned. */
function writeCost(w: Writer, key: string, cost: f32): void {
  if (cost <= 0) return;
  w.raw(key);
  w.decimal(cost);
}

function writeKnown(w: Writer, value: u32): void {
  if (value == UNKNOWN) w.raw("null");
  else w.number(value);
}

function writeModel(w: Writer, view: SnapshotView, i: u32): void {
  w.raw(i > 0 ? ',{"name":"' : '{"name":"');
  w.escaped(view.modelName(i), view.modelNameLength(i));
  w.raw(view.modelKind(i) == MODEL_IS_BASE ? '","kind":"base","base":' : '","kind":"adapter","base":');
  const base = view.modelBase(i);
  if (base == NONE) w.raw("null");
  else {
    w.raw('"');
    w.escaped(view.modelName(base), view.modelNameLength(base));
    w.raw('"');
  }
  w.raw(',"endpoints":[');
  const first = view.modelFirst(i);
  for (let k: u32 = 0; k < view.modelEndpoints(i); k++) {
    const endpoint = view.linkEndpoint(first + k);
    w.raw(k > 0 ? ',"' : '"');
    w.bytes(view.address(endpoint), view.addressLength(endpoint));
    w.raw('"');
  }
  w.byte(0x5d);
  writePool(w, view, modelPool(view, i));
  w.byte(0x7d);
}
