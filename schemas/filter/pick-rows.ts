// The section `pick`: how the filter picks an endpoint for each request.
import { endpointPicker } from "./endpoint-picker-rows.ts";
import { boolean, choice, custom, duration, HEADER_NAME, integer, SECRET, type Section, section } from "./rows.ts";
import { returnedTexts } from "./source.ts";

const session: Section = {
  name: "Session",
  description: "Requests of one session go to one endpoint, unless that endpoint has far too much to do.",
  rows: {
    header: custom({
      type: "Bytes",
      initial: 'bytesOf("x-session-id")',
      read: "bytesOf(readHeaderNameOrNone($))",
      what: "the name of a header",
      schema: { ...HEADER_NAME, minLength: 0 },
      default: "x-session-id",
      description: 'The request header that names the session. `""`: no header does.',
    }),
    cookie: custom({
      type: "Bytes",
      initial: 'bytesOf("")',
      read: "bytesOf(readCookieName($))",
      what: "the name of a cookie",
      schema: { type: "string", maxLength: 128, pattern: "^[A-Za-z0-9_.-]*$" },
      default: "",
      description: 'The cookie that names the session of a request without the header. `""`: no cookie does.',
    }),
  },
};

const ejection: Section = {
  name: "Ejection",
  description: "Endpoints whose responses fail get no requests for a while, as in Envoy's outlier detection.",
  rows: {
    failures: integer({
      default: 3,
      min: 0,
      max: 1000,
      description:
        "Failed responses in a row that eject an endpoint. A response fails by 500, 502, 503 or 504, a reset, " +
        "or a connection that cannot be made. `0`: no endpoint is ejected.",
    }),
    baseTime: duration({
      default: "1s",
      min: "10ms",
      max: "3600s",
      formerly: "base",
      description:
        "How long the first ejection lasts. Each further ejection in a row lasts twice as long as the one before.",
    }),
    maxTime: duration({
      default: "60s",
      min: "10ms",
      max: "3600s",
      formerly: "most",
      description: "The longest ejection. `maxTime` is at least `baseTime`.",
    }),
  },
};

export const pick: Section = {
  name: "Pick",
  description: "How an endpoint is chosen for each request.",
  rows: {
    profile: choice({
      values: ["tokens", "load", "epp"],
      default: "tokens",
      holds: "text",
      initial: '""',
      field: "profileName",
      description:
        "What is compared. `tokens`: prompt tokens that an endpoint still has to compute, with its prefix cache. " +
        "`load`: requests, queue length and KV-cache usage. `epp`: the endpoint picker's default scorers.",
    }),
    picker: choice({
      values: returnedTexts("assembly/pick/profile.ts", "pickerName"),
      default: "max-score-picker",
      holds: "text",
      initial: '""',
      description:
        "How one of the compared endpoints is chosen. `max-score-picker`: the best. `weighted-random-picker`: at random, " +
        "by score. `random-picker`: at random. `p2c-picker`: the better of two random endpoints, for thousands of them.",
    }),
    config: section({ section: endpointPicker, nullable: true, absent: "`profile` and `picker`" }),
    onStale: choice({
      values: ["fallback", "ignore", "penalise"],
      default: "fallback",
      holds: { constants: "STALE" },
      description:
        "What happens while the snapshot is older than `snapshot.staleAfter`. `fallback`: Envoy balances. " +
        "`ignore`: pick as if the snapshot were fresh. `penalise`: pick, and treat an endpoint whose signals are old or " +
        "unknown like the worst one. With admission on, `ignore` and `penalise` may hold or shed requests, because " +
        "endpoints whose signals are older than `admission.saturation.metricsStalenessThreshold` count as full.",
    }),
    dryRun: boolean({
      default: false,
      description:
        "`true`: pick and count, but leave the choice to Envoy. Compare `pilotfish_dry_run_agreed` and `…_differed`.",
    }),
    loadReports: boolean({
      default: false,
      description:
        "`true`: ask endpoints for a load report (ORCA) with each response and use the report until the next scrape. " +
        "vLLM sends one if it gets the header `endpoint-load-metrics-format`.",
    }),
    responses: boolean({
      default: true,
      description:
        "`true`: a request of the Responses API that names an earlier response goes to the endpoint that keeps that response.",
    }),
    debugSecret: custom({
      type: "Bytes",
      initial: 'bytesOf("")',
      read: "readDebugSecret($)",
      what: "text of 16 to 256 visible ASCII characters",
      schema: SECRET,
      absent: "none",
      description:
        "A request that carries this secret in `x-pilotfish-debug` gets its pick explained in `x-pilotfish-explain`. " +
        "Without a secret no pick is explained.",
    }),
    slowStart: duration({
      default: "10s",
      min: "0s",
      max: "3600s",
      description:
        "The time in which an endpoint that becomes ready works up to its full share of requests. `0s`: full share at once.",
    }),
    ejection: section({ section: ejection }),
    session: section({ section: session }),
  },
};
