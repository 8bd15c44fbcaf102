// What the Grafana dashboard shows: rows of panels, each with its queries. grafana.ts makes pilotfish.json of it; the tests
// ask a real Prometheus every one of them.
import { FILTER_ROWS } from "./panels-filter.ts";
import { SERVER_ROWS } from "./panels-servers.ts";
import type { Row } from "./queries.ts";

export const ROWS: readonly Row[] = [...FILTER_ROWS, ...SERVER_ROWS];
