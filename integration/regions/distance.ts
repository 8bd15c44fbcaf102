// The network between two regions. It delays everything by half a round trip in each direction. A region has other addresses when
// seen from another region, as behind a NAT, so that a test can cut the connection.
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { freePorts } from "../../testkit/ports.ts";

/** Relays bytes with a delay. A relay that is cut resets its connections and refuses new ones. */
export class Relay {
  readonly #target: () => { host: string; port: number };
  readonly #delayMs: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  constructor(target: () => { host: string; port: number }, roundTripMs: number) {
    this.#target = target;
    this.#delayMs = roundTripMs / 2;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    const server = createServer((near) => this.#join(near));
    // The port stays the same after a cut.
    if (this.port === 0) [this.port = 0] = await freePorts(1);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.port, "127.0.0.1", resolve);
    });
    this.#server = server;
  }

  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  #join(near: Socket): void {
    const { host, port } = this.#target();
    const far = connect(port, host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (data) => setTimeout(() => to.writable && to.write(data), this.#delayMs));
      from.on("end", () => setTimeout(() => to.end(), this.#delayMs));
      from.on("error", () => to.destroy());
      from.on("close", () => this.#sockets.delete(from));
    }
  }
}

/** The view of another region: delayed, and with the addresses of the relays. */
export interface FarView {
  url: string;
  close(): Promise<void>;
}

export async function farView(
  url: () => string | undefined,
  addresses: ReadonlyMap<string, Relay>,
  roundTripMs: number,
): Promise<FarView> {
  const server: HttpServer = createHttp((request, response) => {
    void (async () => {
      const from = url();
      if (from === undefined) return request.socket.resetAndDestroy();
      await new Promise((resolve) => setTimeout(resolve, roundTripMs));
      const secret = String(request.headers["x-pilotfish-secret"]);
      const answer = await fetch(from + request.url, { headers: { "x-pilotfish-secret": secret } });
      let text = await answer.text();
      for (const [own, relay] of addresses) text = text.replaceAll(`"${own}"`, `"${relay.address}"`);
      response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
    })().catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
