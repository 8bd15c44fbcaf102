// TLS and token for connections to pods and Envoys: a CA, a client certificate, a bearer token. Their files are read again
// after a change, since a cluster renews certificates and tokens. While a file cannot be read, its last content stays in use.
import { readFileSync } from "node:fs";
import { connect, isIP, type OnReadOpts, type Socket } from "node:net";
import { type ConnectionOptions, createSecureContext, type SecureContext, connect as tlsConnect } from "node:tls";
import { ConfigError } from "../config/load.ts";
import type { Log } from "../log.ts";
import { stampOf } from "./file-stamp.ts";

interface AccessOptions {
  /** The section of the configuration that has the key `tls`. */
  under?: "scrape" | "push";
  tls: {
    ca?: string | undefined;
    cert?: string | undefined;
    key?: string | undefined;
    serverName?: string | undefined;
    verify: boolean;
  };
  bearerTokenFile?: string | undefined;
  gzip: boolean;
}

const LOOK_EVERY_MS = 5000;
const TOKEN = "scrape.bearerTokenFile";
// The bytes that a header value may have.
const TOKEN_BYTES = /^[\x21-\x7e]+$/;

export class Access {
  readonly #options: AccessOptions;
  readonly #log: Log | undefined;
  readonly #under: string;
  /** Key of the configuration -> path, stamp of the last read, content. */
  readonly #files = new Map<string, { path: string; stamp: string; text: string }>();
  readonly #timer: NodeJS.Timeout | undefined;
  #context: SecureContext;
  #headerLines: string;

  /** Throws a ConfigError when a file cannot be read. */
  constructor(options: AccessOptions, log?: Log) {
    this.#options = options;
    this.#log = log;
    this.#under = options.under ?? "scrape";
    const { tls, bearerTokenFile } = options;
    const wanted: Array<readonly [key: string, path: string | undefined]> = [
      ...(["ca", "cert", "key"] as const).map((name) => [this.#keyOf(name), tls[name]] as const),
      [TOKEN, bearerTokenFile],
    ];
    for (const [key, path] of wanted) {
      if (path === undefined) continue;
      try {
        this.#files.set(key, { path, stamp: stampOf(path), text: readFileSync(path, "utf8") });
      } catch (error) {
        throw new ConfigError([
          `${key}: got ${JSON.stringify(path)}, expected a readable file: ${(error as Error).message}`,
        ]);
      }
    }
    try {
      this.#context = this.#makeContext();
      this.#headerLines = this.#makeHeaders();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      throw new ConfigError([`${this.#under}.tls: expected PEM files that match: ${(error as Error).message}`]);
    }
    if (this.#files.size > 0) this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Returns the header lines for each request, each with its CRLF. */
  get headerLines(): string {
    return this.#headerLines;
  }

  /** Opens a connection that uses the newest certificates. */
  open(url: URL, onread: OnReadOpts): Socket {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    if (url.protocol !== "https:") return connect({ host, port: Number(url.port || 80), onread });
    const { serverName, verify } = this.#options.tls;
    const name = serverName ?? (isIP(host) === 0 ? host : undefined);
    const options: ConnectionOptions & { onread: OnReadOpts } = {
      host,
      port: Number(url.port || 443),
      ...(name !== undefined && { servername: name }),
      secureContext: this.#context,
      rejectUnauthorized: verify,
      ALPNProtocols: ["http/1.1"],
      onread,
    };
    return tlsConnect(options);
  }

  /** Reads the changed files again. */
  look(): void {
    let changed = false;
    for (const [key, file] of this.#files) {
      try {
        const stamp = stampOf(file.path);
        if (stamp === file.stamp) continue;
        file.text = readFileSync(file.path, "utf8");
        file.stamp = stamp;
        changed = true;
      } catch (error) {
        this.#log?.warn(
          { key, file: file.path, error: (error as Error).message },
          "file not read: its last content is used",
        );
      }
    }
    if (!changed) return;
    try {
      this.#context = this.#makeContext();
      this.#headerLines = this.#makeHeaders();
      this.#log?.info({}, `certificates or token of the ${this.#under === "push" ? "pushes" : "scrapes"} read again`);
    } catch (error) {
      // Certificate and key are two files, which do not match between the two writes. So all files are read again next time.
      for (const file of this.#files.values()) file.stamp = "";
      this.#log?.warn(
        { error: (error as Error).message },
        "certificate and key do not match: the last matching pair stays in use",
      );
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Returns the newest certificates, for connections that open() does not make. */
  get context(): SecureContext {
    return this.#context;
  }

  #keyOf(name: "ca" | "cert" | "key"): string {
    return `${this.#under}.tls.${name}`;
  }

  #text(key: string): string | undefined {
    return this.#files.get(key)?.text;
  }

  /** Throws if a file is not PEM, or if certificate and key do not match. */
  #makeContext(): SecureContext {
    const [ca, cert, key] = (["ca", "cert", "key"] as const).map((name) => this.#text(this.#keyOf(name)));
    return createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  }

  #makeHeaders(): string {
    const token = this.#text(TOKEN)?.trim();
    if (token !== undefined && !TOKEN_BYTES.test(token)) {
      throw new ConfigError([`${TOKEN}: got a value that is not shown, expected one line of visible ASCII characters`]);
    }
    return `${this.#options.gzip ? "accept-encoding: gzip\r\n" : ""}${token === undefined ? "" : `authorization: Bearer ${token}\r\n`}`;
  }
}
