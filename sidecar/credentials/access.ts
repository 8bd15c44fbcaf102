// How pods, and Envoys, are spoken to: TLS by a CA of one's own, a client certificate, a bearer token. What stands in files is read
// again when they change, since certificates and tokens of a cluster are renewed while this runs; a file that cannot
// be read then leaves what was read before in use.
import { readFileSync, statSync } from "node:fs";
import { connect, isIP, type OnReadOpts, type Socket } from "node:net";
import { type ConnectionOptions, createSecureContext, type SecureContext, connect as tlsConnect } from "node:tls";
import { ConfigError } from "../config/load.ts";
import type { Log } from "../log.ts";

export interface AccessOptions {
  /** Key of the configuration that `tls` stands under. */
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
// What a header's value can hold.
const TOKEN_BYTES = /^[\x21-\x7e]+$/;

export class Access {
  readonly #options: AccessOptions;
  readonly #log: Log | undefined;
  readonly #under: string;
  /** By key of the configuration: path, when it was changed, what it held. */
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
      throw new ConfigError([`${this.#under}.tls: expected PEM files that fit together: ${(error as Error).message}`]);
    }
    if (this.#files.size > 0) this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Of each request, each with its CRLF. */
  get headerLines(): string {
    return this.#headerLines;
  }

  /** A new connection, with the newest certificates. */
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

  /** Reads what has changed. */
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
          "file not read: its last content stays",
        );
      }
    }
    if (!changed) return;
    try {
      this.#context = this.#makeContext();
      this.#headerLines = this.#makeHeaders();
      this.#log?.info({}, `certificates or token of the ${this.#under === "push" ? "pushes" : "scrapes"} read again`);
    } catch (error) {
      // Certificate and key are two files: between the two writes they do not fit. The next look finds both.
      for (const file of this.#files.values()) file.stamp = "";
      this.#log?.warn({ error: (error as Error).message }, "certificates do not fit together: the last ones stay");
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The newest certificates, for whoever connects in another way than open(). */
  get context(): SecureContext {
    return this.#context;
  }

  #keyOf(name: "ca" | "cert" | "key"): string {
    return `${this.#under}.tls.${name}`;
  }

  #text(key: string): string | undefined {
    return this.#files.get(key)?.text;
  }

  /** Throws here, and not at the first connection, when they are no PEM or do not belong together. */
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

function stampOf(path: string): string {
  const { size, mtimeMs, ino } = statSync(path);
  return `${size} ${mtimeMs} ${ino}`;
}
