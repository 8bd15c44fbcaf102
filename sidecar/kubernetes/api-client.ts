// Sends requests to the API server. The official client provides credentials and trust (kubeconfig, service account, exec
// plugins, OIDC, proxies, certificates). Its Watch is not used: the Watch has no timeout while it connects, drops lines that
// it cannot parse, and does not notice a silent connection.
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

/** The server sent a response other than 200, or no response. */
export class ApiError extends Error {
  /** The response's status; 0: the server sent no response. */
  readonly status: number;
  /** The time in the header retry-after; 0: the header is missing. */
  readonly retryAfterMs: number;

  constructor(status: number, message: string, retryAfterMs = 0) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Deadlines {
  /** The longest time without a byte, before the response and within it. */
  silenceMs: number;
  signal: AbortSignal;
}

export interface ApiClient {
  /** Resolves with the parsed body of a response 200. Rejects with an ApiError. */
  get(path: string, query: Query, deadlines: Deadlines): Promise<unknown>;
  /** Passes on each line of a streamed response. Resolves when the server ends it. Rejects with an ApiError. */
  lines(path: string, query: Query, deadlines: Deadlines, taker: LineTaker): Promise<void>;
}

interface LineTaker {
  /** The response has begun, with status 200. */
  opened(): void;
  line(text: string): void;
}

/** The part of the official client's KubeConfig that the sidecar uses. */
interface Credentials {
  getCurrentCluster(): { server: string } | null;
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

const MAX_BODY_BYTES = 64 << 20;
/** Limit of a line. A line has one event with one object, and etcd stores objects of up to 1.5 MiB. */
const MAX_LINE_BYTES = 8 << 20;
const MAX_RETRY_AFTER_MS = 30_000;

export function apiClient(credentials: Credentials): ApiClient {
  const exchange = async (path: string, query: Query, deadlines: Deadlines, taker: ChunkTaker) => {
    const server = credentials.getCurrentCluster()?.server;
    if (server === undefined) throw new ApiError(0, "no cluster: the kubeconfig names no current context");
    const url = new URL(server.replace(/\/$/, "") + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    // The credentials are read for each request, since tokens and certificates are rotated.
    const options: RequestOptions = { method: "GET", headers: { accept: "application/json" } };
    await credentials.applyToHTTPSOptions(options);
    await receive(url, options, deadlines, taker);
  };

  return {
    async get(path, query, deadlines) {
      const chunks: Buffer[] = [];
      let size = 0;
      const take = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > MAX_BODY_BYTES) throw new ApiError(0, `more than ${MAX_BODY_BYTES} bytes`);
        chunks.push(chunk);
      };
      await exchange(path, query, deadlines, { opened: () => {}, take });
      try {
        return JSON.parse(Buffer.concat(chunks, size).toString("utf8"));
      } catch (error) {
        throw new ApiError(0, `not JSON: ${(error as Error).message}`);
      }
    },
    async lines(path, query, deadlines, { opened, line }) {
      let parts: Buffer[] = [];
      let size = 0;
      const take = (chunk: Buffer): void => {
        let from = 0;
        for (;;) {
          const end = chunk.indexOf(0x0a, from);
          const part = chunk.subarray(from, end < 0 ? chunk.length : end);
          size += part.length;
          if (size > MAX_LINE_BYTES) throw new ApiError(0, `an event of more than ${MAX_LINE_BYTES} bytes`);
          parts.push(part);
          if (end < 0) return;
          const text = (parts.length === 1 ? part : Buffer.concat(parts, size)).toString("utf8");
          parts = [];
          size = 0;
          from = end + 1;
          if (text !== "") line(text);
        }
      };
      await exchange(path, query, deadlines, { opened, take });
    },
  };
}

interface ChunkTaker {
  opened(): void;
  take(chunk: Buffer): void;
}

/**
 * Sends a request and passes the body on. Resolves at the end of a response 200. An error that `take` throws ends the
 * request.
 */
function receive(url: URL, options: RequestOptions, deadlines: Deadlines, { opened, take }: ChunkTaker): Promise<void> {
  const { silenceMs, signal } = deadlines;
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    let request: ClientRequest | undefined;
    const fail = (error: Error): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      reject(error instanceof ApiError ? error : new ApiError(0, describe(error)));
      request?.destroy();
    };
    const aborted = () => fail(new ApiError(0, "closed"));
    const timer = setTimeout(() => fail(new ApiError(0, `silent for ${silenceMs} ms`)), silenceMs);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });

    const refuse = (response: IncomingMessage): void => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (text.length < 4096) text += chunk;
      });
      const seconds = Number(response.headers["retry-after"]);
      const wait = seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : 0;
      response.on("end", () => fail(new ApiError(response.statusCode ?? 0, messageOf(text, response), wait)));
    };
    try {
      request = send(url, options);
    } catch (error) {
      return fail(error as Error);
    }
    request.on("error", fail);
    request.on("response", (response) => {
      response.on("error", fail);
      timer.refresh();
      if (response.statusCode !== 200) return refuse(response);
      opened();
      response.on("data", (chunk: Buffer) => {
        timer.refresh();
        try {
          take(chunk);
        } catch (error) {
          fail(error as Error);
        }
      });
      response.on("end", () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        resolve();
      });
    });
    request.end();
  });
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}

/** Returns the message of a Kubernetes Status, else the first line of the text. */
function messageOf(text: string, response: IncomingMessage): string {
  const status = `status ${response.statusCode}`;
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string" && message !== "") return `${status}: ${message.slice(0, 300)}`;
  } catch {
    // The text is no Status, so its first line is used below.
  }
  const line = text.split("\n")[0]?.trim().slice(0, 200) ?? "";
  return line === "" ? status : `${status}: ${line}`;
}

export interface ClusterAccess {
  client: ApiClient;
  server: string;
  /** The namespace of the service account, or of the kubeconfig's context. */
  namespace: string;
}

/** Takes the credentials from `kubeconfig`, else the pod's service account, else $KUBECONFIG or ~/.kube/config. */
export async function accessCluster(options: {
  kubeconfig?: string | undefined;
  context?: string | undefined;
}): Promise<ClusterAccess> {
  // The client is loaded only if a cluster is configured, since loading takes a second and 80 MB.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
  else if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster();
  else config.loadFromDefault();
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) {
    throw new Error(`no cluster for the context ${JSON.stringify(config.getCurrentContext() ?? "")}`);
  }
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace || "default";
  return { client: apiClient(config), server, namespace };
}
