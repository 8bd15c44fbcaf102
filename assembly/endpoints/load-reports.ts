// Keeps the load report that an endpoint sent with its last response (ORCA, filter/response/read-load-report.ts). A load report
// counts while it is newer than the endpoint's last scrape (pick/signals.ts).
import { Entry } from "./entry";

/** Keeps a load report. `waiting`: requests; `kv`: fraction of the KV cache in use; -1: not reported. `now`: ns. */
export function takeLoadReport(entry: Entry, waiting: f64, kv: f64, now: u64): void {
  entry.report.waiting = <f32>waiting;
  entry.report.kv = <f32>kv;
  entry.report.at = now;
}
