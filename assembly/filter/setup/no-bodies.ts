// Detects a plugin without `allow_on_headers_stop_iteration`. Without this setting a filter that stops the headers never gets the
// body, and the request would hang. A stream is stuck when Envoy has received more than the headers and has called no body callback.
// One stuck stream proves the wrong set-up. From then on the root passes requests on unread, counts them, and logs one error.

import { ROLE_SINGLE } from "../../config/config";
import {
  continueRequest,
  getProperty,
  HEADERS_CONTINUE,
  headerBytes,
  LOG_ERROR,
  log,
  REQUEST_HEADERS,
  resultLength,
  resultPointer,
  setEffectiveContext,
} from "../../host/calls";
import { count, SETUP_NO_BODY, SNAPSHOT_OTHER } from "../../stats";
import { REQUEST_TOTAL_SIZE } from "../headers/header-names";
import { beginError, sendError } from "../local-reply";
import { leaveGarbage, Root } from "../root";
import {
  nextStream,
  openStreams,
  PHASE_MULTIPART,
  PHASE_PASS,
  PHASE_PUSH,
  PHASE_REPLIED,
  PHASE_SCAN,
  Stream,
} from "../streams";

/** Number of ticks, 20 ms each, after which a waiting stream is examined. */
const PATIENCE: u32 = 25;

/** Whether Envoy has called a body callback in this VM. The set-up is then right, and this file does nothing more. */
let bodiesCome: bool = false;

export function bodyCame(): void {
  bodiesCome = true;
}

export function neverGetsBodies(root: Root): bool {
  return root.bodiless;
}

export function passUnread(): i32 {
  count(SETUP_NO_BODY);
  return HEADERS_CONTINUE;
}

/** Call on the tick. Releases stuck streams. Costs nothing after the first body callback. */
export function releaseStuck(): void {
  if (bodiesCome || openStreams() == 0) return;
  for (let stream = nextStream(null); stream !== null; stream = nextStream(stream)) {
    if (!waitsForBody(stream) || ++stream.waited < PATIENCE) continue;
    stream.waited = 0;
    if (!setEffectiveContext(stream.id)) continue;
    if (!getProperty(REQUEST_TOTAL_SIZE) || resultLength() != 8) continue;
    const received = load<i64>(resultPointer());
    if (received <= <i64>headerBytes(REQUEST_HEADERS)) continue;
    release(stream);
  }
}

function waitsForBody(stream: Stream): bool {
  if (changetype<Root>(stream.root).config.role != ROLE_SINGLE || stream.buffered > 0) return false;
  return stream.phase == PHASE_SCAN || stream.phase == PHASE_MULTIPART || stream.phase == PHASE_PUSH;
}

function release(stream: Stream): void {
  const root = changetype<Root>(stream.root);
  if (!root.bodiless) {
    root.bodiless = true;
    leaveGarbage();
    log(
      LOG_ERROR,
      "set up wrongly: allow_on_headers_stop_iteration is not true in the plugin's configuration, so bodies cannot be " +
        "read and no request is routed by its model; set it, or use the roles reader and holder",
    );
  }
  count(SETUP_NO_BODY);
  if (stream.phase == PHASE_PUSH) {
    // The push is refused and not passed on, because its headers have the secret, which no filter or upstream behind may see.
    stream.phase = PHASE_REPLIED;
    refusePush();
    return;
  }
  stream.phase = PHASE_PASS;
  continueRequest();
}

function refusePush(): void {
  count(SNAPSHOT_OTHER);
  const writer = beginError();
  writer.raw(
    "The pushed body cannot be read: set allow_on_headers_stop_iteration in the plugin's configuration in Envoy.",
  );
  sendError(writer, 500, "", "snapshot_not_stored");
}
