// The routes of stored responses: GET /v1/responses/{id}, and its cancellation.
import { ApiError } from "./errors.ts";
import type { Handler } from "./pod-state.ts";
import { send } from "./send.ts";

const idOf = (url = "") => decodeURIComponent(url.split("?")[0]?.split("/")[3] ?? "");

export const retrieveResponse: Handler = async (pod, request, response) => {
  send(pod, response, 200, pod.responses.json(idOf(request.url)));
};

/** Always responds with an error, since only background responses can be cancelled, and the simulator has none. */
export const cancelResponse: Handler = async (pod, request) => {
  request.resume();
  pod.responses.json(idOf(request.url));
  throw new ApiError(400, "invalid_request_error", "Cannot cancel a synchronous response.", "response_id");
};
