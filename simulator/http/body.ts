// Reads request bodies, and refuses invalid JSON as vLLM's server does.
import type { IncomingMessage } from "node:http";
import { ApiError, validationError } from "./errors.ts";

const BODY_LIMIT = 64 * 1024 * 1024;

export type JsonObject = Record<string, unknown>;

/** Reads the whole body. Rejects with a 413 if it is too large; never settles if the client goes away. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = () =>
      new ApiError(413, "Request Entity Too Large", `The request body is larger than ${BODY_LIMIT} bytes.`);
    if (Number(request.headers["content-length"] ?? 0) > BODY_LIMIT) {
      reject(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_LIMIT) {
        request.pause();
        reject(tooLarge());
      } else {
        chunks.push(chunk);
      }
    });
    request.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on("error", () => {});
  });
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Parses a JSON object as FastAPI does: it skips a byte order mark, and the last of several equal keys wins. */
export function parseJson(body: Buffer, contentType: string | undefined): JsonObject {
  const media = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (media !== "application/json") {
    throw new ApiError(
      400,
      "Bad Request",
      "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
    );
  }
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new ApiError(400, "Bad Request", "There was an error parsing the body");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw jsonInvalid(text, (error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw validationError([
      {
        type: "model_attributes_type",
        loc: ["body"],
        msg: "Input should be a valid dictionary or object to extract fields from",
        input: value,
      },
    ]);
  }
  return value as JsonObject;
}

/** A JSON error in FastAPI's words. V8's message gives position and reason. Rare reasons become "Expecting value". */
function jsonInvalid(text: string, reason: string): ApiError {
  const at = /at position (\d+)/.exec(reason);
  const position = at === null ? text.length : Number(at[1]);
  const error = reason.includes("after JSON")
    ? "Extra data"
    : reason.includes("property name")
      ? "Expecting property name enclosed in double quotes"
      : reason.includes("Unterminated string")
        ? "Unterminated string starting at"
        : reason.includes("control character")
          ? "Invalid control character at"
          : "Expecting value";
  return validationError([
    { type: "json_invalid", loc: ["body", position], msg: "JSON decode error", input: {}, ctx: { error } },
  ]);
}
