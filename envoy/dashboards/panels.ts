// The Grafana dashboard: rows of panels with their queries. grafana.ts writes pilotfish.json from them, and the tests run every
// query in a real Prometheus.
import { FILTER_ROWS } from "./panels-filter.ts";
import { SERVER_ROWS } from "./panels-servers.ts";
import type { Row } from "./queries.ts";

export const ROWS: readonly Row[] = [...FILTER_ROWS, ...SERVER_ROWS];
