// The module's exports: the callbacks that Envoy calls, in the order of a stream's life. The module exports only the callbacks that it
// uses, because Envoy calls into the VM for each exported callback.
import "./host/abort";
import { configure } from "./filter/configure";
import { idleIfDone, timerFired, wakeUp } from "./filter/on-tick";
import { seed } from "./filter/request/decide";
import { requestBody, requestHeaders, requestTrailers } from "./filter/request/request";
import { releaseRoot } from "./filter/request/resume";
import { releasePolls } from "./filter/reserved/polls";
import { responseBody, responseHeaders, streamDeleted } from "./filter/response/response";
import { deleteRoot, findRoot } from "./filter/root";
import { holderQueue } from "./filter/setup/reader-holder";
import { HEADERS_CONTINUE, randomSeed } from "./host/calls";
import { readClock } from "./host/tick-time";

export { proxy_on_memory_allocate } from "./host/memory";

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_vm_start(_rootId: u32, _configurationLength: u32): u32 {
  readClock();
  seed(randomSeed());
  return 1;
}

export function proxy_on_configure(rootId: u32, configurationLength: u32): u32 {
  return configure(rootId, configurationLength) ? 1 : 0;
}

export function proxy_on_tick(rootId: u32): void {
  const root = findRoot(rootId);
  if (root !== null) timerFired(root);
}

export function proxy_on_queue_ready(_rootId: u32, queue: u32): void {
  holderQueue(queue);
}

/** Id of the root context whose stream was created last. Envoy creates a stream's context right before its request headers. */
let streamRoot: u32 = 0;

export function proxy_on_context_create(_id: u32, rootId: u32): void {
  if (rootId != 0) streamRoot = rootId;
}

export function proxy_on_request_headers(id: u32, _headers: u32, endOfStream: u32): i32 {
  const root = findRoot(streamRoot);
  if (root === null) return HEADERS_CONTINUE;
  wakeUp(root);
  return requestHeaders(id, root, endOfStream != 0);
}

export function proxy_on_request_body(id: u32, length: u32, endOfStream: u32): i32 {
  return requestBody(id, length, endOfStream != 0);
}

export function proxy_on_request_trailers(id: u32, _trailers: u32): i32 {
  return requestTrailers(id);
}

export function proxy_on_response_headers(id: u32, _headers: u32, endOfStream: u32): i32 {
  responseHeaders(id, endOfStream != 0);
  return 0;
}

export function proxy_on_response_body(id: u32, length: u32, endOfStream: u32): i32 {
  return responseBody(id, length, endOfStream != 0);
}

export function proxy_on_delete(id: u32): void {
  const root = findRoot(id);
  if (root !== null) {
    releaseRoot(root);
    releasePolls(changetype<usize>(root));
    deleteRoot(root);
    return;
  }
  const ended = streamDeleted(id);
  if (ended !== null) idleIfDone(ended);
}
