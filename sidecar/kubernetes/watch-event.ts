// Reads one line of a watch: an event and its object.

interface Meta {
  resourceVersion?: string;
  namespace?: string;
  name?: string;
  /** A list has here the token of its next page. */
  continue?: string;
}

/** An object before it is translated, or the Status of an ERROR event. */
export interface RawObject {
  metadata?: Meta;
  code?: number;
  message?: string;
}

type WatchEvent =
  | { type: string; object: RawObject; version: string }
  | { type: "ERROR"; object: RawObject | undefined }
  /** The line is not an event, for this reason. */
  | { type: undefined; reason: string };

export function parseEvent(line: string): WatchEvent {
  let event: { type?: unknown; object?: RawObject };
  try {
    event = JSON.parse(line) as typeof event;
  } catch {
    return { type: undefined, reason: "an event that is not JSON" };
  }
  const { type, object } = event;
  if (type === "ERROR") return { type, object };
  const version = object?.metadata?.resourceVersion;
  if (typeof type !== "string" || typeof object !== "object" || object === null || version === undefined) {
    return { type: undefined, reason: "a line that is not an event" };
  }
  return { type, object, version };
}

/** Returns a key that is unique among the objects of one resource. */
export function keyOf({ metadata }: RawObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}
