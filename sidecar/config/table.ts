import { z } from "zod";
import { schema } from "./schema.ts";

export interface ConfigRow {
  key: string;
  /** As one would write it in YAML; "required" where there is none. */
  default: string;
  meaning: string;
}

/** Keys that may be left out though there is no value that would stand for that. */
const NO_DEFAULT: Readonly<Record<string, string>> = {
  "push.kubernetes": "none",
  "push.secret": "from the environment",
  "push.secretFile": "none",
  "push.tls.ca": "the system's",
  "push.tls.cert": "none",
  "push.tls.key": "none",
  "push.tls.serverName": "the target's",
  "kubernetes.kubeconfig": "found by itself",
  "kubernetes.context": "the current one",
  "scrape.tls.ca": "the system's",
  "scrape.tls.cert": "none",
  "scrape.tls.key": "none",
  "scrape.tls.serverName": "the address",
  "scrape.bearerTokenFile": "none",
  "health.path": "the engine's",
  "places.region": "none",
  "kubernetes.placeLabel": "none",
  "manifests.placeLabel": "none",
  "kubernetes.place": "places.here",
  "manifests.place": "places.here",
  "manifests.directory": "none",
  "manifests.services": "all of them",
};

interface Node {
  properties?: Record<string, Node>;
  default?: unknown;
  description?: string;
}

function rowsOf(node: Node, path: string): ConfigRow[] {
  if (node.properties !== undefined && node.description === undefined) {
    return Object.entries(node.properties).flatMap(([key, child]) =>
      rowsOf(child, path === "" ? key : `${path}.${key}`),
    );
  }
  const value = node.default;
  return [
    {
      key: path,
      default:
        value === undefined
          ? (NO_DEFAULT[path] ?? "required")
          : typeof value === "string"
            ? value
            : JSON.stringify(value),
      meaning: node.description ?? "",
    },
  ];
}

/** Every key with its default and meaning, in the order of the schema: what the README's table says. */
export function configTable(): ConfigRow[] {
  return rowsOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node, "");
}
