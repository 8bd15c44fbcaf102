// In the tests, Envoy Gateway fetches modules from this server, by plain HTTP or as OCI images. The server has the read side of
// the OCI distribution protocol. It listens on 127.0.0.1, where clients use a registry without TLS.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Image, MANIFEST_TYPE, wasmImage } from "../../envoy/artefact/module-image.ts";

export interface HttpCode {
  url: string;
  sha256: string;
}

interface ImageCode {
  image: string;
  digest: string;
}

const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
const BLOB = /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]{64})$/;

export class ModuleServer {
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #modules = new Map<string, Buffer>();
  /** `repository:tag` and `repository@digest` → image. */
  readonly #images = new Map<string, Image>();
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((done, fail) => {
      this.#server.once("error", fail);
      this.#server.listen(0, "127.0.0.1", done);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((done) => this.#server.close(() => done()));
  }

  addModule(module: Buffer): HttpCode {
    const sha256 = createHash("sha256").update(module).digest("hex");
    this.#modules.set(`/${sha256}.wasm`, module);
    return { url: `http://127.0.0.1:${this.#port}/${sha256}.wasm`, sha256 };
  }

  addImage(module: Buffer, repository: string, tag: string): ImageCode {
    const image = wasmImage(module, tag);
    this.#images.set(`${repository}:${tag}`, image).set(`${repository}@${image.digest}`, image);
    return { image: `127.0.0.1:${this.#port}/${repository}:${tag}`, digest: image.digest.slice("sha256:".length) };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "/").split("?")[0] as string;
    this.requests.push(`${request.method} ${path}`);
    const found = this.#find(path);
    if (!found) {
      response.writeHead(404, { "content-type": "application/json" });
      response.end('{"errors":[{"code":"NAME_UNKNOWN"}]}');
      return;
    }
    const headers: Record<string, string | number> = {
      "content-type": found.type,
      "content-length": found.bytes.length,
    };
    if (found.digest) headers["docker-content-digest"] = found.digest;
    response.writeHead(200, headers);
    response.end(request.method === "HEAD" ? undefined : found.bytes);
  }

  #find(path: string): { type: string; bytes: Buffer; digest?: string } | undefined {
    const module = this.#modules.get(path);
    if (module) return { type: "application/wasm", bytes: module };
    if (path === "/v2/") return { type: "application/json", bytes: Buffer.from("{}") };
    const [, name, reference] = MANIFEST.exec(path) ?? [];
    if (reference) {
      const image = this.#images.get(`${name}${reference.startsWith("sha256:") ? "@" : ":"}${reference}`);
      return image && { type: MANIFEST_TYPE, bytes: image.manifest, digest: image.digest };
    }
    const [, repository, digest] = BLOB.exec(path) ?? [];
    if (!digest) return undefined;
    for (const [key, image] of this.#images) {
      const bytes = key.startsWith(`${repository}:`) ? image.blobs.get(digest) : undefined;
      if (bytes) return { type: "application/octet-stream", bytes, digest };
    }
    return undefined;
  }
}
